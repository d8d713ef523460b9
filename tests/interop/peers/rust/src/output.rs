// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What this peer says: JSON lines on stdout, everything else on stderr.

use std::error::Error;
use std::io::Write;
use std::process::exit;

use serde_json::Value;

pub type AnyError = Box<dyn Error + Send + Sync>;

/// Print one JSON line, whole and at once.
pub fn print_line(line: &Value) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        exit(1);
    }
}

/// What an error says, and what it says was its cause.
pub fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
