//! Named tuples of Python, for the results of calls.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};

use quinn_proto as quic;

/// The classes of results.  They belong to the caller, so that this package does not need
/// it.
pub struct Results {
    /// `tuple.__new__`: the constructors of named tuples are slower functions of Python.
    new: Py<PyAny>,
    pub sent: Py<PyType>,
    pub knock: Py<PyType>,
    pub stats: Py<PyType>,
    /// The enumeration of causes of the end of a connection.
    pub cause: Py<PyType>,
}

impl Results {
    pub fn new(
        sent: Bound<'_, PyType>,
        knock: Bound<'_, PyType>,
        stats: Bound<'_, PyType>,
        cause: Bound<'_, PyType>,
    ) -> PyResult<Self> {
        Ok(Self {
            new: sent.py().get_type::<PyTuple>().getattr("__new__")?.unbind(),
            sent: sent.unbind(),
            knock: knock.unbind(),
            stats: stats.unbind(),
            cause: cause.unbind(),
        })
    }

    /// Make a named tuple of these fields.
    pub fn make<'py, T>(
        &self,
        py: Python<'py>,
        class: &Py<PyType>,
        fields: T,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: IntoPyObject<'py, Target = PyTuple, Error = PyErr, Output = Bound<'py, PyTuple>>,
    {
        self.new.bind(py).call1((class, fields.into_pyobject(py)?))
    }

    /// Make a `SentDatagram`.
    pub fn sent<'py>(
        &self,
        py: Python<'py>,
        transmit: &quic::Transmit,
        data: &[u8],
        host: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let segment = transmit.segment_size.unwrap_or(0);
        let ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
        let data = PyBytes::new(py, data);
        self.make(py, &self.sent, (data, host, transmit.destination.port(), segment, ecn))
    }
}
