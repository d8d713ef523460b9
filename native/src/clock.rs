//! The caller's clock, in the form that the state machine wants.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Rounding must not make a timer come before its time, where it would find nothing to do.
const ROUNDING: f64 = 1e-6;

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
        let passed = Duration::try_from_secs_f64((now - first).max(0.0));
        let moment = passed.ok().and_then(|passed| self.origin.checked_add(passed));
        match moment {
            Some(moment) if now.is_finite() => {
                self.latest = self.latest.max(moment);
                Ok(self.latest)
            }
            _ => {
                if !first.is_finite() {
                    self.first = None;
                }
                Err(PyValueError::new_err(format!("{now} is not a time")))
            }
        }
    }

    /// The reading of the caller's clock at a moment.
    pub fn seconds(&self, moment: Instant) -> f64 {
        let passed = moment.saturating_duration_since(self.origin).as_secs_f64();
        self.first.unwrap_or(0.0) + passed + ROUNDING
    }
}
