// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! A text whose bytes tell their place and their stream, sent and compared.

use std::future::Future;
use std::io;

use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt, try_join};

use crate::output::AnyError;
use crate::wire::{BLOCK_SIZE, Wire};

const PERIOD: u64 = 251;

/// Fill a block with the text from a place on.
pub fn fill(block: &mut [u8], seed: u64, offset: u64) {
    let start = seed + offset;
    for (i, byte) in block.iter_mut().enumerate() {
        *byte = ((start + i as u64) % PERIOD) as u8;
    }
}

/// Send a pattern and half-close. The half is awaited between the halves of
/// what is sent.
pub async fn send_pattern<W: AsyncWrite + Unpin>(
    wire: &mut W,
    seed: u64,
    size: u64,
    half: impl Future<Output = ()>,
) -> Result<(), AnyError> {
    let mut block = vec![0; BLOCK_SIZE];
    let middle = size / 2;
    let mut half = Some(half);
    let mut offset = 0;
    while offset < size {
        if offset == middle
            && let Some(half) = half.take()
        {
            wire.flush().await?;
            half.await;
        }
        let end = if offset < middle { middle } else { size };
        let length = (end - offset).min(BLOCK_SIZE as u64);
        let piece = &mut block[..length as usize];
        fill(piece, seed, offset);
        wire.write_all(piece).await?;
        offset += length;
    }
    wire.close().await?;
    Ok(())
}

/// Send so many bytes that mean nothing.
pub async fn send_zeros<W: AsyncWrite + Unpin>(wire: &mut W, size: u64) -> io::Result<()> {
    let block = vec![0; BLOCK_SIZE];
    let mut left = size;
    while left > 0 {
        let length = left.min(BLOCK_SIZE as u64);
        wire.write_all(&block[..length as usize]).await?;
        left -= length;
    }
    Ok(())
}

/// Send a pattern while reading, half-close, and compare what comes back until
/// the remote half-closes too.
pub async fn exchange(
    wire: Wire,
    seed: u64,
    size: u64,
    half: impl Future<Output = ()>,
) -> (u64, Result<(), AnyError>) {
    let mut got = 0;
    let (mut reader, mut writer) = wire.split();
    let compare = async {
        let (mut block, mut want) = (vec![0; BLOCK_SIZE], vec![0; BLOCK_SIZE]);
        loop {
            let length = reader.read(&mut block).await?;
            if length == 0 {
                return Ok(());
            }
            fill(&mut want[..length], seed, got);
            got += length as u64;
            if got > size || block[..length] != want[..length] {
                return Err(AnyError::from("what came back differs from what was sent"));
            }
        }
    };
    let ended = try_join!(send_pattern(&mut writer, seed, size, half), compare);
    let mut wire = reader.reunite(writer).expect("they are of one stream");
    let outcome = match ended {
        Ok(_) if got == size => Ok(()),
        Ok(_) => Err(format!("{got} of {size} bytes came back").into()),
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) => Err(wire.cause(*error).await),
            Err(error) => Err(error),
        },
    };
    (got, outcome)
}
