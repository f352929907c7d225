//! Enums that are stored and shown as one word each: the word stands beside the variant and nowhere else.

/// A text that is none of the words of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {of}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// The enum's name.
    pub of: &'static str,
}

/// Declares a plain enum with the same word in Rust (`as_str`, `Display`, `FromStr`), SQL and JSON (serde).
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word it is stored and shown as.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(word: &str) -> Result<Self, $crate::UnknownWord> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|one| one.as_str() == word)
                    .ok_or_else(|| $crate::UnknownWord { word: word.to_owned(), of: stringify!($name) })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::{reading::Kind, relay::Cause};

    #[test]
    fn a_word_and_its_value_name_each_other() {
        assert_eq!("daily_freeze".parse(), Ok(Kind::DailyFreeze));
        assert_eq!(Cause::AccountClosed.to_string(), "account_closed");
        for cause in Cause::ALL {
            assert_eq!(cause.as_str().parse(), Ok(*cause));
        }
    }

    #[test]
    fn a_strange_word_is_refused_by_name() {
        let refused = "weekly".parse::<Kind>().map_err(|refused| refused.to_string());
        assert_eq!(refused, Err("`weekly` is no Kind".to_owned()));
    }
}
