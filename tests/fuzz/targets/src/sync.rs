//! Frames between edges and servers.

use pinyon_core::replication::Message;

/// A frame that is read is written so that it reads as the same message.
pub fn sync_frame(input: &[u8]) {
    if let Ok(message) = Message::decode(input) {
        let again = Message::decode(&message.encode()).expect("its own frame is one");
        assert_eq!(again, message);
    }
}
