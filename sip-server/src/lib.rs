//! sip-server
