// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A small libp2p peer on rust-libp2p for the interoperability tests. Its
//! command line, its protocols and its output are described in ../README.rst;
//! every peer of that directory follows the same contract.

mod bench;
mod dial;
mod discovery;
mod kad;
mod listen;
mod options;
mod output;
mod pattern;
mod pubsub;
mod punch;
mod reachability;
mod serve;
mod stack;
mod streams;
mod tasks;
mod wire;

use std::process::exit;

use options::{Options, Role};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("kad").is_some() {
        if let Err(error) = kad::serve(&arguments.next().unwrap_or_default()).await {
            eprintln!("peer: {error}");
            exit(1);
        }
        exit(0);
    }
    if arguments.next_if_eq("pubsub").is_some() {
        if let Err(error) = pubsub::serve(&arguments.next().unwrap_or_default()).await {
            eprintln!("peer: {error}");
            exit(1);
        }
        exit(0);
    }
    if arguments.next_if_eq("punch").is_some() {
        if let Err(error) = punch::run(arguments).await {
            eprintln!("peer: {error}");
            exit(1);
        }
        exit(0);
    }
    let options = Options::parse(arguments).unwrap_or_else(|complaint| {
        eprintln!("peer: {complaint}");
        eprintln!("usage: peer listen [options] | peer dial MULTIADDR [options]");
        exit(2);
    });
    let outcome = match options.role.clone() {
        Role::Listen if options.bench => bench::listen(&options).await,
        Role::Dial(target) if options.bench => bench::dial(&target, options).await,
        Role::Listen => listen::listen(&options).await,
        Role::Dial(target) => dial::dial(&target, options).await,
    };
    if let Err(error) = outcome {
        eprintln!("peer: {error}");
        exit(1);
    }
    exit(0);
}
