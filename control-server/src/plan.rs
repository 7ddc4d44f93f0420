//! The default plan: what a dialled number does.

use control_sdk::{Call, Error, Reason, soup, soup_forever};

use crate::config::Config;
use crate::prompts;

/// What a number does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Rings the phones of this user.
    User(String),
    /// Sends back what it hears.
    Echo,
    /// A tone of a milliwatt, for measuring.
    Milliwatt,
    /// A prompt, and then the end.
    Welcome,
    /// 404.
    Unknown,
}

impl Plan {
    /// What this number does in that domain.
    pub fn of(config: &Config, domain: &str, number: &str) -> Self {
        match number {
            "9196" => Self::Echo,
            "9197" => Self::Milliwatt,
            "9198" => Self::Welcome,
            user if config.knows(domain, user) => Self::User(user.to_owned()),
            _ => Self::Unknown,
        }
    }

    /// Does it.
    pub async fn run(self, call: &Call) -> Result<(), Error> {
        match self {
            Self::User(user) => call.new_call(user).await?.ended().await,
            Self::Echo => {
                call.answer().await?;
                call.echo(true).await?;
                call.ended().await
            }
            Self::Milliwatt => {
                call.answer().await?;
                call.play(soup_forever([prompts::MILLIWATT])).await
            }
            Self::Welcome => {
                call.answer().await?;
                call.play(soup([prompts::WELCOME])).await?;
                call.hangup(Reason::Normal).await
            }
            Self::Unknown => call.hangup(Reason::NotFound).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_demo() {
        let config = Config::demo(Vec::new(), None);
        let table = [
            ("1000", Plan::User("1000".into())),
            ("9196", Plan::Echo),
            ("9197", Plan::Milliwatt),
            ("9198", Plan::Welcome),
            ("1004", Plan::Unknown),
            ("", Plan::Unknown),
        ];
        for (number, plan) in table {
            assert_eq!(Plan::of(&config, "demo", number), plan, "{number}");
        }
        assert_eq!(Plan::of(&config, "elsewhere", "1000"), Plan::Unknown);
    }
}
