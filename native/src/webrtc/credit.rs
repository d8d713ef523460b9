//! Announces to the peer a receive window that is open again.
//!
//! `sctp-proto` announces its window when data arrives, and not when it is read: a peer that has
//! found it closed would try again only after a timer, which doubles each time up to a minute.
//! This saves the timer if the pause was shorter.  So the association gets a copy of data that it has acknowledged: it answers at once.

/// The types of chunks (RFC 9260, 3.2).
pub const DATA: u8 = 0;
const SACK: u8 = 3;

/// The bits of a whole message, and of the wish for an acknowledgement at once (RFC 7053).
const WHOLE_AT_ONCE: u8 = 0b1011;

/// The bytes of the header of a packet, and of those of ports and tag in it.
const HEAD: usize = 12;
const ADDRESS: usize = 8;

/// What the peer knows of the window.
pub struct Credit {
    window: u32,
    /// The ports and the tag of the peer's packets.
    address: Option<[u8; ADDRESS]>,
    /// The number of the last acknowledged data, and the announced window.
    announced: Option<(u32, u32)>,
    /// The bytes that were read since.
    read: usize,
}

impl Credit {
    pub fn new(window: u32) -> Self {
        Self { window, address: None, announced: None, read: 0 }
    }

    /// Note a packet of the peer.
    pub fn received(&mut self, packet: &[u8]) {
        if let Some(head) = packet.first_chunk::<ADDRESS>()
            && head[4..] != [0; 4]
        {
            self.address = Some(*head);
        }
    }

    /// The number of the last acknowledged data.
    pub fn acknowledged(&self) -> Option<u32> {
        self.announced.map(|(number, _)| number)
    }

    /// Note a packet of ours; return the window that it announces.
    pub fn sent(&mut self, packet: &[u8]) -> Option<u32> {
        let mut found = None;
        for chunk in chunks(packet) {
            if chunk[0] == SACK
                && let (Some(acknowledged), Some(window)) = (number(chunk, 4), number(chunk, 8))
            {
                self.announced = Some((acknowledged, window));
                self.read = 0;
                found = Some(window);
            }
        }
        found
    }

    /// Note that the application has read bytes.
    pub fn read(&mut self, size: usize) {
        self.read += size;
    }

    /// Make the packet that causes an announcement, if the peer may wait for one.
    pub fn update(&mut self) -> Option<Vec<u8>> {
        let (acknowledged, window) = self.announced?;
        let address = self.address?;
        if window >= self.window / 2 || self.read < self.window as usize / 4 {
            return None;
        }
        self.read = 0;
        let mut packet = address.to_vec();
        packet.extend([0; 4]);
        packet.extend([DATA, WHOLE_AT_ONCE, 0, 17]);
        packet.extend(acknowledged.to_be_bytes());
        // Channel, number there, kind of payload; one byte, filled up to four.
        packet.extend([0; 12]);
        let checksum = crc32c(&packet);
        packet[ADDRESS..HEAD].copy_from_slice(&checksum.to_le_bytes());
        Some(packet)
    }
}

/// Split a packet into its chunks.
pub fn chunks(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = packet.get(HEAD..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [_, _, high, low, ..] = *rest else { return None };
        let size = usize::from(u16::from_be_bytes([high, low])).max(4);
        let chunk = &rest[..size.min(rest.len())];
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        Some(chunk)
    })
}

/// Read a number of four bytes.
pub fn number(chunk: &[u8], at: usize) -> Option<u32> {
    chunk.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// The checksum of SCTP (RFC 9260, appendix A), of a short packet.
fn crc32c(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let mut sum = u32::MAX;
    for byte in data {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
        }
    }
    !sum
}
