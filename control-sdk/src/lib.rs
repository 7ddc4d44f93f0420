//! control-sdk
