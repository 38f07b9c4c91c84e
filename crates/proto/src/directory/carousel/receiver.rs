//! The receiving end of a carousel: chunks become objects again.

use super::object::Object;
use super::sender::{LANE, LANES};
use crate::frame::{Chunk, ChunkAssembler};
use crate::wire::Malformed;

/// The objects that are under way to a client on one link, one in each lane.
#[derive(Default)]
pub struct Receiver {
    assemblers: [ChunkAssembler; LANES],
}

impl Receiver {
    /// Takes a chunk, of which a slot brings one; gives the object that it completes.
    ///
    /// # Errors
    /// The object that it completes is malformed.
    pub fn take(&mut self, chunk: Chunk) -> Result<Option<Object>, Malformed> {
        let lane = usize::try_from(chunk.document / LANE).unwrap_or(LANES);
        let assembler = self.assemblers.get_mut(lane).ok_or(Malformed)?;
        assembler.take(chunk).map(|bytes| Object::decode(&bytes)).transpose()
    }
}
