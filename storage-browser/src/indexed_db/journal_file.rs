//! The journal's files in the browser's private file system, which a worker may open for itself.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use pinyon_core::{Error, ErrorKind, Result};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::connection::{Loss, sleep};
use super::error;
use crate::journal::JournalFile;

/// Where the files of all databases of a site lie.
const FOLDER: &str = "pinyon-journals";
/// How long to wait before asking again for a file that somebody has open.
const RETRY_MS: u32 = 10;
/// How long the browser may take to find or open a file: it needs no other process's files for it.
const ANSWER_MS: u32 = 10_000;

#[wasm_bindgen]
extern "C" {
    type Folder;
    #[wasm_bindgen(method, catch, js_name = getDirectoryHandle)]
    fn folder(this: &Folder, name: &str, options: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getFileHandle)]
    fn file(this: &Folder, name: &str, options: &Object) -> Result<Promise, JsValue>;

    type File;
    #[wasm_bindgen(method, catch, js_name = createSyncAccessHandle)]
    fn open(this: &File) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getFile)]
    fn content(this: &File) -> Result<Promise, JsValue>;

    type Content;
    #[wasm_bindgen(method, getter)]
    fn size(this: &Content) -> f64;
    #[wasm_bindgen(method, catch, js_name = arrayBuffer)]
    fn bytes(this: &Content) -> Result<Promise, JsValue>;

    /// Where in a file to read or write.
    type Place;
    #[wasm_bindgen(method, setter)]
    fn set_at(this: &Place, at: f64);

    #[derive(Clone)]
    pub(super) type OpenFile;
    #[wasm_bindgen(method, catch, js_name = getSize)]
    fn size(this: &OpenFile) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn read(this: &OpenFile, bytes: &mut [u8], place: &Place) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn write(this: &OpenFile, bytes: &[u8], place: &Place) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &OpenFile) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn truncate(this: &OpenFile, length: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &OpenFile);
}

fn create() -> Object {
    let object = Object::new();
    Reflect::set(&object, &"create".into(), &true.into()).expect("a new object takes properties");
    object
}

async fn settled<T: JsCast>(promise: Result<Promise, JsValue>) -> Result<T, JsValue> {
    Ok(JsFuture::from(promise?).await?.unchecked_into())
}

/// The two files of the database called `name`.
async fn find_files(name: &str) -> Result<[File; 2], JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let storage = Reflect::get(&navigator, &"storage".into())?;
    let ask: Function = Reflect::get(&storage, &"getDirectory".into())?.dyn_into()?;
    let root: Folder = settled(ask.call0(&storage).map(Promise::from)).await?;
    let create = create();
    let folder: Folder = settled(root.folder(FOLDER, &create)).await?;
    let name = String::from(js_sys::encode_uri_component(name));
    Ok([
        settled(folder.file(&format!("{name}.0"), &create)).await?,
        settled(folder.file(&format!("{name}.1"), &create)).await?,
    ])
}

/// Opens a file, as soon as whoever has it open lets go of it; `None` where this page may not.
async fn open_file(file: &File, wait_ms: u32, loss: &Arc<Loss>) -> Result<Option<BrowserFile>> {
    let mut waited_ms = 0;
    loop {
        let thrown = match in_time(settled(file.open())).await? {
            Ok(opened) => {
                let opened = BrowserFile::new(opened, loss);
                // The first browsers that had such files answered with promises.
                let is_usable = opened.file.size().is_ok_and(|size| !size.is_nan());
                return Ok(is_usable.then_some(opened));
            }
            Err(thrown) => thrown,
        };
        if error::describe(&thrown).0 != "NoModificationAllowedError" {
            return Ok(None);
        }
        if waited_ms >= wait_ms {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "another tab still has the journal of this database open",
            ));
        }
        sleep(RETRY_MS).await;
        waited_ms += RETRY_MS;
    }
}

/// What the browser answers, if it does.
async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T> {
    match select(pin!(answer), pin!(sleep(ANSWER_MS))).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(Error::new(
            ErrorKind::Unavailable,
            format!("the browser has not opened the files of the journal in {ANSWER_MS} ms"),
        )),
    }
}

/// Opens both files, or none.
pub(super) async fn open_files(
    name: &str,
    wait_ms: u32,
    loss: &Arc<Loss>,
) -> Result<Option<[BrowserFile; 2]>> {
    // A page without a file system, a private window, a thread that is no worker of its own.
    let Ok([one, other]) = in_time(find_files(name)).await? else {
        return Ok(None);
    };
    let Some(one) = open_file(&one, wait_ms, loss).await? else {
        return Ok(None);
    };
    let other = open_file(&other, wait_ms, loss).await?;
    Ok(other.map(|other| [one, other]))
}

/// What both files hold.
pub(super) async fn read_files(name: &str) -> Result<[Vec<u8>; 2]> {
    let read = async {
        let [one, other] = find_files(name).await?;
        Ok::<_, JsValue>([read_file(&one).await?, read_file(&other).await?])
    };
    in_time(read).await?.map_err(|thrown| {
        let (name, message) = error::describe(&thrown);
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "this database has a journal in the private file system, which this page cannot \
                 read ({name}: {message}); let the site store data, or open the database where it \
                 was written"
            ),
        )
    })
}

async fn read_file(file: &File) -> Result<Vec<u8>, JsValue> {
    let content: Content = settled(file.content()).await?;
    let bytes: JsValue = settled(content.bytes()).await?;
    let bytes = Uint8Array::new(&bytes);
    if f64::from(bytes.length()) < content.size() {
        // What was not read is not gone.
        return Err(js_sys::Error::new("a file was not read whole").into());
    }
    Ok(bytes.to_vec())
}

fn failed(thrown: &JsValue) -> Error {
    let (name, message) = error::describe(thrown);
    match name.as_str() {
        "QuotaExceededError" => error::of_transaction(Some(thrown)),
        _ => Error::new(
            ErrorKind::Closed,
            format!("a file of the journal failed: {name}: {message}"),
        ),
    }
}

/// An open file, as long as the connection stands beside which it lies.
pub(crate) struct BrowserFile {
    file: SendWrapper<OpenFile>,
    /// Made once: most calls are short.
    place: SendWrapper<Place>,
    loss: Arc<Loss>,
}

impl BrowserFile {
    fn new(file: OpenFile, loss: &Arc<Loss>) -> Self {
        loss.keep(file.clone());
        Self {
            file: SendWrapper::new(file),
            place: SendWrapper::new(Object::new().unchecked_into()),
            loss: Arc::clone(loss),
        }
    }
}

impl Drop for BrowserFile {
    fn drop(&mut self) {
        self.file.close();
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a file has far less than 2^53 bytes"
)]
fn to_js(length: u64) -> f64 {
    length as f64
}

impl JournalFile for BrowserFile {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the browser answers a length"
    )]
    fn read(&self) -> Result<Vec<u8>> {
        let size = self.file.size().map_err(|thrown| failed(&thrown))?;
        let mut bytes = vec![0; size as usize];
        self.place.set_at(0.0);
        let read = self.file.read(&mut bytes, &self.place);
        let read = read.map_err(|thrown| failed(&thrown))?;
        if read < size {
            // What was not read is not gone: nothing may be cut off.
            return Err(Error::new(
                ErrorKind::Closed,
                format!("a file of the journal gave {read} of its {size} bytes"),
            ));
        }
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.loss.check()?;
        self.place.set_at(to_js(at));
        let written = self.file.write(bytes, &self.place);
        let written = written.map_err(|thrown| failed(&thrown))?;
        if written < to_js(bytes.len() as u64) {
            return Err(Error::new(
                ErrorKind::StorageFull,
                "the disk has no room for more of the journal",
            ));
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.file.flush().map_err(|thrown| failed(&thrown))
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.file
            .truncate(to_js(length))
            .map_err(|thrown| failed(&thrown))
    }
}
