// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The peer on rust-libp2p over WebRTC-direct, with the packages of its alpha
//! version. Its command line, its protocols and its output are those of the peer in
//! ../rust, most of whose modules it has.

#[path = "../../rust/src/dial.rs"]
mod dial;
mod listen;
#[allow(dead_code)]
#[path = "../../rust/src/options.rs"]
mod options;
#[path = "../../rust/src/output.rs"]
mod output;
#[path = "../../rust/src/pattern.rs"]
mod pattern;
#[path = "../../rust/src/serve.rs"]
mod serve;
mod stack;
#[path = "../../rust/src/streams.rs"]
mod streams;
#[path = "../../rust/src/tasks.rs"]
mod tasks;
#[path = "../../rust/src/wire.rs"]
mod wire;

use std::process::exit;

use options::{Options, Role};

#[tokio::main]
async fn main() {
    let options = Options::parse(std::env::args().skip(1)).unwrap_or_else(|complaint| {
        eprintln!("peer: {complaint}");
        eprintln!("usage: peer listen [options] | peer dial MULTIADDR [options]");
        exit(2);
    });
    let outcome = match options.role.clone() {
        Role::Listen => listen::listen(&options).await,
        Role::Dial(target) => dial::dial(&target, options).await,
    };
    if let Err(error) = outcome {
        eprintln!("peer: {error}");
        exit(1);
    }
    exit(0);
}
