//! Gatepost: an application-layer SMTP inspection proxy.
pub mod event;
pub mod message;
pub mod policy;
pub mod session;
pub mod smtp;
