//! Bounds the pieces of messages that SCTP keeps for a peer.
//!
//! `sctp-proto` bounds the bytes that are not read, and not their pieces: one byte in a piece of
//! its own costs a hundred times as much, and holds its packet.  Nor does it bound what comes
//! after a gap and is read at once: it keeps a copy until the gap is filled.

use super::credit::{DATA, chunks, number};

/// The most pieces that are not read.  A window full of the pieces that peers make of long
/// messages has 250.
const MAX_PIECES: usize = 8192;

/// How far the numbers of pieces may be ahead of the acknowledged ones.
const MAX_AHEAD: i32 = 4096;

/// The most bytes of a packet with data that are no data.
const MAX_OTHER: usize = 512;

/// The pieces of one association.
pub struct Pieces {
    window: u32,
    /// No fewer than are not read.
    held: usize,
}

impl Pieces {
    pub fn new(window: u32) -> Self {
        Self { window, held: 0 }
    }

    /// Return whether a packet may be taken; otherwise it is as if it were lost.
    ///
    /// `acknowledged` is the number of the last piece that our side has acknowledged.
    pub fn take(&mut self, packet: &[u8], acknowledged: Option<u32>) -> bool {
        let (mut data, mut new) = (0, 0);
        for chunk in chunks(packet).filter(|chunk| chunk[0] == DATA) {
            data += chunk.len();
            let ahead = match (number(chunk, 4), acknowledged) {
                (Some(place), Some(last)) => place.wrapping_sub(last) as i32,
                _ => 1,
            };
            if ahead > MAX_AHEAD {
                return false;
            }
            new += usize::from(ahead > 0);
        }
        if data > 0 && packet.len() - data > MAX_OTHER {
            return false;
        }
        self.held += new;
        true
    }

    /// Note that a window was announced: unread pieces have a byte each, at the least, and
    /// repeated ones were counted twice.
    pub fn announced(&mut self, window: u32) {
        self.held = self.held.min(self.window.saturating_sub(window) as usize);
    }

    /// Note that a message was read.
    pub fn read(&mut self, pieces: usize) {
        self.held = self.held.saturating_sub(pieces);
    }

    /// Whether the peer has sent too many.
    pub fn too_many(&self) -> bool {
        self.held > MAX_PIECES
    }
}
