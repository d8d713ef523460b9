//! Bytes of streams in and out.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};
use quic::{ReadError, StreamId, WriteError};
use quinn_proto as quic;

/// The end of a stream, beside codes of resets, which are not negative.
const FIN: i64 = -1;
/// Smaller pieces are copied: this is cheaper than to keep the Python object.
const KEPT_PIECE: usize = 2048;
/// Buffers that are not `bytes` are copied by parts of this size, until no more is taken.
const COPIED_PART: usize = 64 * 1024;

/// Read bytes of a stream, and its end; None if there is nothing now.
pub fn read<'py>(
    py: Python<'py>,
    connection: &mut quic::Connection,
    id: StreamId,
    maximum: usize,
) -> PyResult<Option<(Bound<'py, PyBytes>, Option<i64>)>> {
    let mut stream = connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        return Ok(None);
    };
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut size = 0;
    let mut end = None;
    while size < maximum {
        match chunks.next(maximum - size) {
            Ok(Some(chunk)) => {
                size += chunk.bytes.len();
                pieces.push(chunk.bytes);
            }
            Ok(None) => end = Some(FIN),
            Err(ReadError::Reset(code)) => end = i64::try_from(code.into_inner()).ok(),
            Err(ReadError::Blocked) => break,
        }
        if end.is_some() {
            break;
        }
    }
    // This gives the credit; the next poll sends it.
    let _ = chunks.finalize();
    if size == 0 && end.is_none() {
        return Ok(None);
    }
    let data = PyBytes::new_with(py, size, |mut room| {
        for piece in &pieces {
            let (here, rest) = room.split_at_mut(piece.len());
            here.copy_from_slice(piece);
            room = rest;
        }
        Ok(())
    })?;
    Ok(Some((data, end)))
}

/// Write pieces until one is not taken whole; return the number of bytes that were taken.
pub fn write(
    py: Python<'_>,
    connection: &mut quic::Connection,
    id: StreamId,
    pieces: &Bound<'_, PyAny>,
) -> PyResult<usize> {
    let mut stream = connection.send_stream(id);
    let mut taken = 0;
    for piece in pieces.try_iter()? {
        let piece = piece?;
        let (size, part) = match piece.cast::<PyBytes>() {
            Ok(piece) => (piece.as_bytes().len(), offer(&mut stream, piece)),
            Err(_) => copy(py, &mut stream, &piece)?,
        };
        taken += part;
        if part < size {
            break;
        }
    }
    Ok(taken)
}

/// Offer a piece, and return how much was taken.
fn offer(stream: &mut quic::SendStream<'_>, piece: &Bound<'_, PyBytes>) -> usize {
    let data = piece.as_bytes();
    if data.len() < KEPT_PIECE {
        return offer_slice(stream, data);
    }
    let mut kept = [Bytes::from_owner(PyBackedBytes::from(piece.clone()))];
    until_blocked(data.len(), |_| stream.write_chunks(&mut kept).map(|written| written.bytes))
}

/// Offer bytes that are copied.
fn offer_slice(stream: &mut quic::SendStream<'_>, data: &[u8]) -> usize {
    until_blocked(data.len(), |taken| stream.write(&data[taken..]))
}

/// Write until all is taken or nothing more: only a stream that has taken nothing reports
/// later that there is room.  A stream that was stopped or closed takes nothing.
fn until_blocked(size: usize, mut write: impl FnMut(usize) -> Result<usize, WriteError>) -> usize {
    let mut taken = 0;
    while taken < size {
        match write(taken) {
            Ok(count) if count > 0 => taken += count,
            _ => break,
        }
    }
    taken
}

/// Offer copies of the parts of a buffer; return its size, and how much was taken.
fn copy(
    py: Python<'_>,
    stream: &mut quic::SendStream<'_>,
    piece: &Bound<'_, PyAny>,
) -> PyResult<(usize, usize)> {
    let size = PyBuffer::<u8>::get(piece)?.len_bytes();
    let view = PyMemoryView::from(piece)?;
    let mut taken = 0;
    while taken < size {
        let bounds = PySlice::new(py, taken as isize, (taken + COPIED_PART) as isize, 1);
        let part = PyBuffer::<u8>::get(&view.get_item(bounds)?)?.to_vec(py)?;
        let written = offer_slice(stream, &part);
        taken += written;
        if written < part.len() {
            break;
        }
    }
    Ok((size, taken))
}
