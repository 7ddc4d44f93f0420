//! rtp-server
