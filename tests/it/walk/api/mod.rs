//! The HTTP API of the real program: what a provider, a holder, the operator and a stranger get for what they send.

mod access;
mod batches;
mod charter;
mod described;
mod doors;
mod feed;
mod full_batch;
mod generated;
mod holder;
mod judged;
pub(super) mod kit;
mod manners;
mod mutual;
mod numbers;
mod operator;
mod quiet;
mod racing;
mod rdap;
mod webhooks;
