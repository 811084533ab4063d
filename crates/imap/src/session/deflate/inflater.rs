//! Inflates what a client sends, as much at a time as is asked for (RFC 1951, without a wrapper).
//!
//! Invariants: no more is decoded than there is room for, so that a deflate bomb costs its sender's octets and none of our
//! memory. At rest only the octets are kept that the client may refer back to.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY};
use miniz_oxide::inflate::core::{
    BlockBoundaryState, DecompressorOxide, TINFL_LZ_DICT_SIZE as WINDOW_BYTES, decompress_with_limit,
};

/// What the client sent is no deflate stream, or it ended its stream, which RFC 4978 has no use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

/// The receiving side of one connection.
pub(super) struct Inflater {
    running: Option<Box<Running>>,
    /// At rest, the last octets that came out.
    history: Vec<u8>,
    /// At rest, what is left of the last octet that went in.
    between: BlockBoundaryState,
}

struct Running {
    decompressor: DecompressorOxide,
    /// The last octets that came out, in a ring.
    window: Vec<u8>,
    /// Where the next one goes.
    at: usize,
    /// Every octet of the window has been written.
    full: bool,
    /// Octets may be ready that there was no room for.
    more: bool,
    /// Set between two blocks.
    between: Option<BlockBoundaryState>,
}

impl Inflater {
    /// At the start of a stream.
    pub(super) fn new() -> Self {
        Self { running: None, history: Vec::new(), between: BlockBoundaryState::default() }
    }

    /// Whether octets may come out without any going in.
    pub(super) fn has_more(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.more)
    }

    /// Inflates octets of `packed`, up to `room` of them, and gives them to `out`; answers how many of `packed` were used.
    pub(super) fn inflate(
        &mut self,
        packed: &[u8],
        room: usize,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<usize, Damaged> {
        let Self { running, history, between } = self;
        let woken = || Box::new(Running::awake(&std::mem::take(history), between));
        running.get_or_insert_with(woken).inflate(packed, room, out)
    }

    /// Gives back what is not needed until the client sends more. Possible only between two blocks, which is where every
    /// client is that has flushed its command and waits for the answer.
    pub(super) fn rest(&mut self) {
        let at_rest = self.running.as_ref().filter(|running| !running.more);
        let Some((running, between)) = at_rest.and_then(|running| Some((running, running.between.clone()?))) else {
            return;
        };
        let (before, after) = running.window.split_at_checked(running.at).unwrap_or_default();
        self.history = if running.full { [after, before].concat() } else { before.to_vec() };
        self.between = between;
        self.running = None;
    }
}

impl Running {
    fn awake(history: &[u8], between: &BlockBoundaryState) -> Self {
        let mut window = history.to_vec();
        window.resize(WINDOW_BYTES, 0);
        Self {
            decompressor: DecompressorOxide::from_block_boundary_state(between),
            window,
            at: history.len() % WINDOW_BYTES,
            full: history.len() >= WINDOW_BYTES,
            more: false,
            between: Some(between.clone()),
        }
    }

    fn inflate(&mut self, packed: &[u8], room: usize, out: &mut impl FnMut(&[u8])) -> Result<usize, Damaged> {
        const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let (mut used, mut given) = (0, 0);
        while given < room && (used < packed.len() || self.more) {
            let rest = packed.get(used..).unwrap_or_default();
            let (status, taken, made) =
                decompress_with_limit(&mut self.decompressor, rest, &mut self.window, self.at, room - given, FLAGS);
            out(self.window.get(self.at..self.at + made).unwrap_or_default());
            (used, given) = (used + taken, given + made);
            self.full |= self.at + made >= WINDOW_BYTES;
            self.at = (self.at + made) % WINDOW_BYTES;
            (self.more, self.between) = match status {
                TINFLStatus::NeedsMoreInput => (false, None),
                TINFLStatus::HasMoreOutput => (true, None),
                TINFLStatus::BlockBoundary => (false, self.decompressor.block_boundary_state()),
                // The end of the stream, failures, and what later versions of the decoder may add.
                _ => return Err(Damaged),
            };
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output};
    use miniz_oxide::{DataFormat, deflate::CompressionLevel};
    use proptest::prelude::*;

    /// One stream of all these texts, flushed after each.
    fn packed(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut compressor =
            Box::new(CompressorOxide::with_format_and_level(DataFormat::Raw, CompressionLevel::BestSpeed));
        let pack = |text: &Vec<u8>| {
            let mut out = Vec::new();
            compress_to_output(&mut compressor, text, TDEFLFlush::Sync, |bytes| {
                out.extend_from_slice(bytes);
                true
            });
            out
        };
        texts.iter().map(pack).collect()
    }

    fn all(inflater: &mut Inflater, packed: &[u8], room: usize) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < packed.len() || inflater.has_more() {
            let before = out.len();
            at += inflater.inflate(&packed[at..], room, &mut |bytes| out.extend_from_slice(bytes)).unwrap();
            assert!(out.len() - before <= room);
        }
        out
    }

    proptest! {
        #[test]
        fn every_text_comes_back_whether_it_rests_or_not(
            texts in proptest::collection::vec(("[ab ]{0,40}", 0usize..2000), 1..12),
            room in 1usize..5000,
            rests in any::<u16>(),
        ) {
            let texts: Vec<_> = texts.into_iter().map(|(text, times)| text.repeat(times).into_bytes()).collect();
            let mut inflater = Inflater::new();
            for (at, (text, packed)) in texts.iter().zip(packed(&texts)).enumerate() {
                prop_assert_eq!(&all(&mut inflater, &packed, room), text);
                if rests >> at & 1 == 1 {
                    inflater.rest();
                    prop_assert!(inflater.running.is_none() && inflater.history.len() <= WINDOW_BYTES);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn anything_may_come(packed in proptest::collection::vec(any::<u8>(), 0..200), room in 1usize..300) {
            let (mut inflater, mut at) = (Inflater::new(), 0);
            while at < packed.len() || inflater.has_more() {
                let mut made = 0;
                let Ok(used) = inflater.inflate(&packed[at..], room, &mut |octets| made += octets.len()) else { break };
                // At the end of the input it may turn out that nothing more comes out.
                prop_assert!(made <= room && (used > 0 || made > 0 || (at == packed.len() && !inflater.has_more())));
                at += used;
                inflater.rest();
            }
        }
    }

    #[test]
    fn a_bomb_comes_out_in_the_portions_that_are_asked_for() {
        let bomb = packed(&[vec![b'a'; 8 << 20]]).remove(0);
        assert!(bomb.len() < 64 << 10);
        assert_eq!(all(&mut Inflater::new(), &bomb, 8192).len(), 8 << 20);
    }

    #[test]
    fn what_is_no_stream_or_ends_it_is_damaged() {
        for packed in [&b"\x07"[..], b"a NOOP\r\n", b"\x03\x00", b"\x01\x00\x00\xff\xff", b"\x00\x01\x00\x00\x00"] {
            let mut inflater = Inflater::new();
            let inflated = inflater.inflate(packed, 99, &mut |_| {});
            assert_eq!(inflated, Err(Damaged), "{packed:?}");
        }
    }
}
