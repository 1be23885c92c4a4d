//! The whole way from a question to a verdict, against throwaway servers on loopback.

mod collecting;
mod hostile;
mod secured;
mod settings;
mod support;
mod whom;
