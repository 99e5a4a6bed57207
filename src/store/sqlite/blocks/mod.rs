//! Blocks: what is kept beside the truth, written behind what is there already, many entries to a row.
//!
//! What is new is one block each time, at the end of the table: so the disk writes as much as is new, and not a page for each
//! key. In the background, block after block is brought together by part ([`pile`]), and in the end becomes rows, but for
//! counts of limits: these are only ever read whole. Whoever reads, reads rows and blocks together.

mod bytes;
mod content;
mod counts;
mod frame;
mod noted;
mod pile;
mod table;

pub(super) use self::{
    bytes::{BlockReader, NoBlock, put_length, put_number, put_text},
    content::{Content, Kind, to_blocks},
    counts::{CountsOf, put_count},
    frame::{BlockNames, BlockSubject, BlockWriter, Payload},
    noted::Noted,
    pile::{Bounds, Pile},
    table::{Known, all_of, note, of_part, replace},
};
