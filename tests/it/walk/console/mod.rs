//! The console through the real program: by plain requests as every role, and in a browser as a person uses it.

mod audits;
mod browser;
mod charter;
mod flows;
mod forms;
mod looks;
mod public;
mod roles;
mod sessions;
mod soft;
