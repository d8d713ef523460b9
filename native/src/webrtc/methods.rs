//! The methods of a connection for Python.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::channels::Channels;
use super::connection::{Cause, Connection, Event};
use super::{RtcConfig, RtcConnection};
use crate::clock::Clock;
use crate::panics::guard;

/// Datagrams to send, events, the time of the next poll, and whether it is over.
type Polled<'py> = (Bound<'py, PyList>, Bound<'py, PyList>, Option<f64>, bool);

impl RtcConnection {
    /// Do something with the machine.  Without one, after a panic, the result is the default.
    fn with<T: Default>(&mut self, work: impl FnOnce(&mut Connection) -> T) -> T {
        let Some(mut machine) = self.machine.take() else {
            return T::default();
        };
        match guard(|| work(&mut machine)) {
            Ok(done) => {
                self.events.append(&mut machine.events);
                self.out.append(&mut machine.out);
                if machine.certificate.is_some() {
                    self.certificate = machine.certificate.take();
                }
                self.machine = Some(machine);
                done
            }
            Err(text) => {
                let _ = guard(|| drop(machine));
                self.events.push(Event::Lost(Cause::Broken, text));
                T::default()
            }
        }
    }
}

#[pymethods]
impl RtcConnection {
    #[new]
    fn new(config: &RtcConfig, now: f64, dialed: bool) -> PyResult<Self> {
        let mut clock = Clock::new();
        let at = clock.at(now)?;
        let mut made =
            Self { machine: None, clock, certificate: None, events: Vec::new(), out: Vec::new() };
        match guard(|| Connection::new(config, at, dialed)) {
            Ok(machine) => made.machine = Some(machine),
            Err(text) => made.events.push(Event::Lost(Cause::Broken, text)),
        }
        Ok(made)
    }

    /// Take a datagram; the next poll reports what came of it.
    fn receive(&mut self, now: f64, data: &[u8]) -> PyResult<()> {
        let at = self.clock.at(now)?;
        self.with(|machine| machine.receive(at, data));
        Ok(())
    }

    /// Advance.
    fn poll<'py>(&mut self, py: Python<'py>, now: f64) -> PyResult<Polled<'py>> {
        let at = self.clock.at(now)?;
        let due = self.with(|machine| {
            machine.poll(at);
            machine.due()
        });
        let out = PyList::new(py, self.out.drain(..).map(|each| PyBytes::new(py, &each)))?;
        let events = PyList::empty(py);
        for event in self.events.drain(..) {
            events.append(tuple(py, event)?)?;
        }
        let due = due.map(|due| self.clock.seconds(due));
        let over = self.machine.as_ref().is_none_or(|machine| machine.over);
        Ok((out, events, due, over))
    }

    /// Open a channel of ours; return whether this is possible now.
    fn open(&mut self, channel: u16) -> bool {
        self.with(|machine| machine.living().is_some_and(|each| each.open(channel)))
    }

    /// Send a message; return how many bytes of the channel wait now, or None if it is closed.
    fn write(&mut self, channel: u16, message: &[u8]) -> Option<usize> {
        self.with(|machine| machine.living().and_then(|each| each.write(channel, message)))
    }

    /// Whether the bytes of all channels that wait are too many for further ones.
    fn full(&mut self) -> bool {
        self.with(|machine| machine.living().is_some_and(Channels::full))
    }

    /// The bytes of a channel that wait; None if it is closed.
    fn buffered(&mut self, channel: u16) -> Option<usize> {
        self.with(|machine| machine.living().and_then(|each| each.buffered(channel)))
    }

    /// Read messages until they have so many bytes, joined; and whether one is text.
    fn read<'py>(
        &mut self,
        py: Python<'py>,
        channel: u16,
        maximum: usize,
    ) -> (Bound<'py, PyBytes>, bool) {
        let (data, text) = self.with(|machine| machine.channels.read(channel, maximum));
        (PyBytes::new(py, &data), text)
    }

    /// Close a channel.
    fn shut(&mut self, channel: u16) {
        self.with(|machine| {
            if let Some(channels) = machine.living() {
                channels.close(channel);
            }
        });
    }

    /// Close the connection.
    fn close(&mut self, now: f64) -> PyResult<()> {
        let at = self.clock.at(now)?;
        self.with(|machine| machine.close(at));
        Ok(())
    }

    /// The certificate of the peer in DER; None before it is known.
    fn certificate<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.certificate.as_ref().map(|data| PyBytes::new(py, data))
    }
}

/// Make the tuple of an event.
fn tuple(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    let of_channel = |kind: u8, id: u16| (kind, id).into_pyobject(py);
    match event {
        Event::Connected => (1,).into_pyobject(py),
        Event::Lost(cause, text) => (2, cause as u8, text).into_pyobject(py),
        Event::Opened(id) => of_channel(3, id),
        Event::Readable(id) => of_channel(4, id),
        Event::Writable(id) => of_channel(5, id),
        Event::Closed(id) => of_channel(6, id),
        Event::Freed(id) => of_channel(7, id),
        Event::Drained => (8,).into_pyobject(py),
    }
}
