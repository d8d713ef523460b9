// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! What goes over the pipe: a kind of one byte, a number and a size of four
//! bytes each, and so many bytes.

use std::io::{self, Read, Write};

pub struct Record {
    pub kind: u8,
    pub number: u32,
    pub payload: Vec<u8>,
}

pub fn unexpected(kind: u8) -> io::Error {
    let text = format!("a record of kind {kind} has no place here");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

pub struct Reader<R>(R);

impl<R: Read> Reader<R> {
    pub fn new(inner: R) -> Self {
        Reader(inner)
    }

    /// Nothing is left if the pipe ends in front of a record.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        let mut kind = [0; 1];
        if self.0.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let number = self.number()?;
        let mut payload = vec![0; self.number()? as usize];
        self.0.read_exact(&mut payload)?;
        Ok(Some(Record {
            kind: kind[0],
            number,
            payload,
        }))
    }

    /// All steps of a run. They are read before the first is done: who writes
    /// them reads nothing in the meantime.
    pub fn steps(&mut self) -> io::Result<Vec<Record>> {
        let mut steps = Vec::new();
        loop {
            let record = self.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if record.kind == b'.' {
                return Ok(steps);
            }
            steps.push(record);
        }
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }
}

pub struct Writer<W>(W);

impl<W: Write> Writer<W> {
    pub fn new(inner: W) -> Self {
        Writer(inner)
    }

    pub fn put(&mut self, kind: u8, number: u32, payload: &[u8]) -> io::Result<()> {
        self.0.write_all(&[kind])?;
        self.0.write_all(&number.to_be_bytes())?;
        self.0.write_all(&(payload.len() as u32).to_be_bytes())?;
        self.0.write_all(payload)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
