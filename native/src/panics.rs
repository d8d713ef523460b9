//! Keeps panics inside.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keep the text of panics, which are printed as well.  This module has its own copy of Rust's
/// standard library, so no other extension module of the process is concerned.
pub fn install() {
    let print = take_hook();
    set_hook(Box::new(move |info| {
        print(info);
        LAST.with(|last| *last.borrow_mut() = info.to_string());
    }));
}

/// Run a piece of work, and return the text of its panic if it panics.
///
/// The caller has to drop what the work has changed: its state may be inconsistent.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = LAST.with(RefCell::take);
        if !text.is_empty() {
            return text;
        }
        // A panic that Python has raised again has not passed the hook.
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "a panic without a text".to_owned())
    })
}
