// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The machines of rust-libp2p, without a network: yamux and multistream-select
//! are polled by hand over a transport in memory, so that the same input always
//! has the same outcome. What is to be done comes on the standard input, what
//! came of it goes to the standard output; both are in ../README.rst.

mod muxer;
mod negotiation;
mod records;
mod wire;

use std::io::{self, BufReader, BufWriter};

use records::{Reader, Writer};

fn main() -> io::Result<()> {
    let mut reader = Reader::new(BufReader::new(io::stdin().lock()));
    let mut writer = Writer::new(BufWriter::new(io::stdout().lock()));
    while let Some(record) = reader.next()? {
        match record.kind {
            b'Y' => muxer::run(record.number == 1, &mut reader, &mut writer)?,
            b'D' => negotiation::dial(&record.payload, &mut reader, &mut writer)?,
            b'L' => negotiation::listen(&record.payload, &mut reader, &mut writer)?,
            kind => return Err(records::unexpected(kind)),
        }
        writer.flush()?;
    }
    Ok(())
}
