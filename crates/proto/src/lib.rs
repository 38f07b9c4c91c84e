//! State machines of Rohrpost without sockets, clocks, tasks or global randomness.
//!
//! Every machine takes the time and its randomness as arguments, so that the same code runs
//! under QUIC, in virtual time in the tests, and in simulations.
