//! What the tests of real processes share: the programs under test, as files to run.

mod program;

pub use program::program;
