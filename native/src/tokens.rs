//! The tokens with which a server knows the address of a returning client (NEW_TOKEN).

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quinn_proto::TokenStore;

/// The tokens of one dial: one to give, and the last one that has come.
#[derive(Default)]
pub struct DialTokens {
    given: Mutex<Option<Bytes>>,
    received: Mutex<Option<Bytes>>,
}

impl DialTokens {
    pub fn new(token: &[u8]) -> Self {
        let given = (!token.is_empty()).then(|| Bytes::copy_from_slice(token));
        Self { given: Mutex::new(given), received: Mutex::default() }
    }

    /// Take the last token of the server that nobody has taken.
    pub fn take_received(&self) -> Option<Bytes> {
        locked(&self.received).take()
    }
}

impl TokenStore for DialTokens {
    fn insert(&self, _: &str, token: Bytes) {
        // A copy, since the token is a part of a whole datagram.
        *locked(&self.received) = Some(Bytes::copy_from_slice(&token));
    }

    fn take(&self, _: &str) -> Option<Bytes> {
        locked(&self.given).take()
    }
}

/// Lock a mutex, even after a panic.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
