//! The caller's clock, in the form that the state machine wants.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Rounding must not make a timer come before its time, where it would find nothing to do.
const ROUNDING: f64 = 1e-6;

/// More than a process lives: times beyond would overflow when a timer is added.
const LONGEST: f64 = 1e10;

/// Translates seconds of a monotonic clock, whose beginning does not matter.
pub struct Clock {
    origin: Instant,
    first: Option<f64>,
    latest: Instant,
}

impl Clock {
    pub fn new() -> Self {
        let origin = Instant::now();
        Self { origin, first: None, latest: origin }
    }

    /// The moment for a reading of the clock.  A clock that steps back stands still.
    pub fn at(&mut self, now: f64) -> PyResult<Instant> {
        let first = *self.first.get_or_insert(now);
        if !now.is_finite() || now - first > LONGEST {
            if !first.is_finite() {
                self.first = None;
            }
            return Err(PyValueError::new_err(format!("{now} is not a time")));
        }
        let passed = Duration::from_secs_f64((now - first).max(0.0));
        self.latest = self.latest.max(self.origin + passed);
        Ok(self.latest)
    }

    /// The reading of the caller's clock at a moment.
    pub fn seconds(&self, moment: Instant) -> f64 {
        let passed = moment.saturating_duration_since(self.origin).as_secs_f64();
        self.first.unwrap_or(0.0) + passed + ROUNDING
    }
}
