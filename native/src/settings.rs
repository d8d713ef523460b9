//! The settings of an endpoint, as Python has them.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The size of datagrams that each path has to carry.
pub const SMALLEST_DATAGRAM: u16 = 1200;

/// Read from the attributes of any object; `QuicSettings` of twisted_libp2p describes them.
#[derive(FromPyObject)]
#[pyo3(rename_all = "camelCase")]
pub struct Settings {
    pub certificate: Vec<u8>,
    pub private_key: Vec<u8>,
    pub judge: Py<PyAny>,
    pub token_key: Vec<u8>,
    pub reset_key: Vec<u8>,
    pub alpn: Vec<Vec<u8>>,
    pub idle_timeout: f64,
    pub keep_alive: f64,
    pub max_streams: u32,
    pub stream_window: u32,
    pub connection_window: u32,
    pub send_window: u64,
    pub crypto_buffer: usize,
    pub max_incoming: usize,
    pub max_datagram: u16,
    pub max_segments: usize,
    pub tickets: usize,
}

impl Settings {
    /// Check everything that the state machine would not accept, or would panic at.
    pub fn check(&self) -> PyResult<()> {
        let wrong = |text: String| Err(PyValueError::new_err(text));
        for (name, value) in [("idleTimeout", self.idle_timeout), ("keepAlive", self.keep_alive)] {
            if !(0.0..=1e9).contains(&value) {
                return wrong(format!("{name} is {value}: it is a number of seconds"));
            }
        }
        for (name, key) in [("tokenKey", &self.token_key), ("resetKey", &self.reset_key)] {
            if key.len() < 32 {
                return wrong(format!("{name} has {} bytes: it has to have 32", key.len()));
            }
        }
        if self.max_segments == 0 {
            return wrong("maxSegments is 0: it is 1 or more".to_owned());
        }
        if self.max_datagram < SMALLEST_DATAGRAM {
            return wrong(format!("maxDatagram is {}: it is 1200 or more", self.max_datagram));
        }
        if self.alpn.is_empty() || self.alpn.iter().any(|name| !(1..256).contains(&name.len())) {
            return wrong("alpn has to have names, of 1 to 255 bytes".to_owned());
        }
        Ok(())
    }

    /// The idle timeout; None for an endless one.
    pub fn idle(&self) -> Option<Duration> {
        (self.idle_timeout > 0.0).then(|| Duration::from_secs_f64(self.idle_timeout))
    }

    /// The keep-alive time; None for none.
    pub fn keep(&self) -> Option<Duration> {
        (self.keep_alive > 0.0).then(|| Duration::from_secs_f64(self.keep_alive))
    }
}
