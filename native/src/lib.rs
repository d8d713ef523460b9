//! QUIC and WebRTC for twisted_libp2p: the state machines `quinn-proto`, `dimpl` (DTLS) and
//! `sctp-proto` as Python classes.
//!
//! There is no socket, thread, timer or clock in here.  Datagrams go in, and datagrams and
//! events come out; the caller's clock says what time it is.  A panic of the state machine
//! never reaches Python: it ends the connection in which it happened.

mod address;
mod announced;
mod clock;
mod config;
mod connection;
mod endpoint;
mod judge;
mod panics;
mod results;
mod settings;
mod streams;
mod tokens;
mod web;
mod webrtc;

use pyo3::panic::PanicException;
use pyo3::prelude::*;

/// The extension module behind `twisted_libp2p_native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    panics::install();
    module.add_class::<endpoint::Endpoint>()?;
    module.add_class::<webrtc::RtcConfig>()?;
    module.add_class::<webrtc::RtcConnection>()?;
    module.add("PanicException", module.py().get_type::<PanicException>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
