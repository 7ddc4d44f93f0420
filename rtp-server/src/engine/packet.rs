//! The RTP fixed header (RFC 3550 §5.1): a view of what came in, and the header of what goes out.
//!
//! CSRCs, header extension and padding are stepped over, so that the payload is all that remains. Everything is
//! checked against the bounds; what does not fit is no packet. RTCP that shares the port (RFC 5761 §4) is told apart.

/// Length of the header that we write.
pub const HEADER: usize = 12;

/// An RTP packet that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// First packet of a talkspurt.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// Grows by one with each packet.
    pub sequence_number: u16,
    /// Sampling instant of the first octet.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload alone.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Not version 2, or lengths that do not fit.
    Header,
    /// RTCP on the RTP port.
    Rtcp,
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is not RTP version 2, or when a length in it points outside of it.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = datagram.split_first_chunk::<HEADER>().ok_or(Malformed::Header)?;
        if head[0] >> 6 != 2 {
            return Err(Malformed::Header);
        }
        if (192..=223).contains(&head[1]) {
            return Err(Malformed::Rtcp);
        }
        let rest = rest.get(usize::from(head[0] & 0x0f) * 4..).ok_or(Malformed::Header)?;
        let rest = if head[0] & 0x10 == 0 { rest } else { after_extension(rest)? };
        let payload = if head[0] & 0x20 == 0 { rest } else { before_padding(rest)? };
        Ok(Self {
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7f,
            sequence_number: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload,
        })
    }

    /// Appends the packet: a plain header, then the payload.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(0x80);
        bytes.push(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        bytes.extend_from_slice(&self.sequence_number.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(self.payload);
    }
}

fn after_extension(rest: &[u8]) -> Result<&[u8], Malformed> {
    let (head, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Header)?;
    rest.get(usize::from(u16::from_be_bytes([head[2], head[3]])) * 4..).ok_or(Malformed::Header)
}

fn before_padding(rest: &[u8]) -> Result<&[u8], Malformed> {
    let padding = usize::from(*rest.last().ok_or(Malformed::Header)?);
    if padding == 0 {
        return Err(Malformed::Header);
    }
    rest.get(..rest.len().wrapping_sub(padding)).ok_or(Malformed::Header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_over_everything_that_is_not_payload() {
        let mut datagram = vec![0xb1, 0x80 | 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        datagram.extend([0xaa; 4]); // one CSRC
        datagram.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // extension of one word
        datagram.extend(b"audio");
        datagram.extend([0, 0, 3]); // padding
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!(packet.payload, b"audio");
        assert_eq!((packet.marker, packet.payload_type, packet.sequence_number), (true, 8, 0x0102));
        assert_eq!((packet.timestamp, packet.ssrc), (0x0304_0506, 0x0708_090a));
    }

    #[test]
    fn refuses_what_points_outside() {
        let plain = |first: u8| [first, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        assert!(Packet::parse(&plain(0x80)).is_ok());
        for first in [0x00, 0x40, 0xc0, 0x8f, 0x90, 0xa0] {
            assert_eq!(Packet::parse(&plain(first)), Err(Malformed::Header), "{first:#x}");
        }
        let mut report = plain(0x80);
        report[1] = 200;
        assert_eq!(Packet::parse(&report), Err(Malformed::Rtcp));
        for length in 0..12 {
            assert!(Packet::parse(&plain(0x80)[..length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(mut datagram in proptest::collection::vec(any::<u8>(), 0..80), first in 0x80u8..=0xbf) {
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            if let (Ok(ours), Ok(theirs)) = (Packet::parse(&datagram), rtp_types::RtpPacket::parse(&datagram)) {
                prop_assert_eq!(ours.payload, theirs.payload());
                prop_assert_eq!(ours.payload_type, theirs.payload_type());
                prop_assert_eq!(ours.sequence_number, theirs.sequence_number());
                prop_assert_eq!(ours.timestamp, theirs.timestamp());
                prop_assert_eq!(ours.ssrc, theirs.ssrc());
                prop_assert_eq!(ours.marker, theirs.marker_bit());
            }
        }

        #[test]
        fn reads_back_what_it_wrote(payload in proptest::collection::vec(any::<u8>(), 0..200), seq: u16, timestamp: u32, ssrc: u32) {
            let packet = Packet { marker: false, payload_type: 9, sequence_number: seq, timestamp, ssrc, payload: &payload };
            let mut bytes = Vec::new();
            packet.write(&mut bytes);
            prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
            let theirs = rtp_types::RtpPacket::parse(&bytes).unwrap();
            prop_assert_eq!(theirs.payload(), &payload[..]);
        }
    }
}
