//! The HTTP API of the real program: what a provider, a holder, the operator and a stranger get for what they send.

mod access;
mod batches;
mod described;
mod feed;
mod holder;
mod judged;
mod kit;
mod numbers;
mod quiet;
