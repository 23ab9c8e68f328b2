//! Gatepost: an application-layer SMTP inspection proxy.
pub mod message;
pub mod policy;
pub mod smtp;
