//! `Send` where the host has threads, nothing where it has none.
//!
//! With `core/host`, the only place where core looks at its target (architecture, "The map").

use std::future::Future;
use std::pin::Pin;

/// A future behind a pointer; `Send` on native hosts.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A future behind a pointer.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// `Send` on native hosts; every type in a browser, whose objects stay on one thread.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub trait MaybeSend: Send {}
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// `Sync` on native hosts; every type in a browser.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub trait MaybeSync: Sync {}
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
impl<T: Sync + ?Sized> MaybeSync for T {}

/// `Send` on native hosts; every type in a browser, whose objects stay on one thread.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub trait MaybeSend {}
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
impl<T: ?Sized> MaybeSend for T {}

/// `Sync` on native hosts; every type in a browser.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub trait MaybeSync {}
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
impl<T: ?Sized> MaybeSync for T {}
