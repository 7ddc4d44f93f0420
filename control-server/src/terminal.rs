//! What a person at the terminal is told, in few lines: where to register, what to dial, and what happens.
#![expect(clippy::print_stdout, reason = "this is the one place that speaks to the terminal")]

use api::dialog::Dialog;
use control_sdk::{Call, Registered};

use crate::config::Config;

/// What `up` is ready for.
pub fn welcome(config: &Config, sip: &str) {
    println!("\nmediaswitch is up. Register a phone at {sip} (UDP or TCP):");
    for (name, domain) in &config.domains {
        for (user, entry) in domain.users.iter().filter(|_| domain.demo) {
            println!("  user {user}   domain {name}, or the address   password {}", entry.secret);
        }
    }
    println!("Dial another user, 9196 for an echo, 9197 for a milliwatt tone, 9198 for a welcome.\n");
}

/// A registration came or went.
pub fn registration(registered: &Registered) {
    let (domain, user) = (&registered.domain, &registered.user);
    match &registered.registration {
        Some(registration) if registration.event == "refresh" => {}
        Some(registration) => println!("{user}@{domain} registered from {}:{}", registration.host, registration.port),
        None => println!("{user}@{domain} is gone"),
    }
}

/// A call comes in.
pub fn call(call: &Call) {
    println!("{} calls {}", call.from(), call.destination());
}

/// A call is over.
pub fn over(dialog: &Dialog) {
    let talked = match dialog.epochs {
        epochs if epochs.answer == 0 => "not answered".to_owned(),
        epochs => format!("{} s", epochs.end.saturating_sub(epochs.answer)),
    };
    let cause = dialog.cause.as_deref().unwrap_or("over");
    println!("{} to {}: {talked}, {cause}", dialog.from, dialog.to);
}

/// Something that a person should know.
pub fn note(text: &str) {
    println!("{text}");
}
