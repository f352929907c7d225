//! Receipts that are printed again: a key has one number, a vend's numbers have no gaps, and each was asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Request, Violation};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Reprints {
    /// Requests that were not answered: their keys and those of the vends.
    asked: BTreeMap<u64, (String, String)>,
    /// All keys, by the vends' keys.
    keys: BTreeMap<String, BTreeSet<String>>,
    /// What was told: the vend's key and the number, by keys.
    told: BTreeMap<String, (String, i64)>,
}

impl Reprints {
    /// Somebody asks.
    pub fn ask(&mut self, request: u64, what: &Request) {
        if let Request::Reprint { key, vend } = what {
            self.keys.entry(vend.clone()).or_default().insert(key.clone());
            self.asked.insert(request, (key.clone(), vend.clone()));
        }
    }

    /// Somebody gets an answer.
    ///
    /// # Errors
    /// A key has two numbers.
    pub fn answer(&mut self, request: u64, answer: &Answer) -> Result<(), Violation> {
        let Some((key, vend)) = self.asked.remove(&request) else { return Ok(()) };
        let Answer::Done { receipt: Some(number) } = answer else { return Ok(()) };
        let told = (vend, number.parse().unwrap_or_default());
        match self.told.insert(key.clone(), told.clone()) {
            Some(before) if before != told => {
                Err(Violation::of("I2", format!("reprint {key}: first {before:?}, then {told:?}")))
            }
            _ => Ok(()),
        }
    }

    /// What was told is stored, and nothing else than was asked for.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&self, rows: &[(String, i64)]) -> Result<(), Violation> {
        let wrong = |detail: String| Err(Violation::of("I3", detail));
        let mut stored: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for (vend, number) in rows {
            if !stored.entry(vend).or_default().insert(*number) {
                return wrong(format!("vend {vend}: reprint {number} is stored twice"));
            }
        }
        for (vend, numbers) in &stored {
            let keys = self.keys.get(*vend).map_or(0, BTreeSet::len);
            if numbers.len() > keys || !numbers.iter().copied().eq((1..).take(numbers.len())) {
                return wrong(format!("vend {vend}: reprints {numbers:?} are stored, asked for under {keys} keys"));
            }
        }
        let is_stored =
            |(vend, number): &(String, i64)| stored.get(vend.as_str()).is_some_and(|all| all.contains(number));
        let mut seen = BTreeSet::new();
        for (key, told) in &self.told {
            if !is_stored(told) || !seen.insert(told) {
                return wrong(format!("reprint {key}: told {told:?}, which is not stored, or is another one"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(reprints: &mut Reprints, key: &str, number: i64) -> bool {
        reprints.ask(1, &Request::Reprint { key: key.to_owned(), vend: "v".to_owned() });
        reprints.answer(1, &Answer::Done { receipt: Some(number.to_string()) }).is_ok()
    }

    #[test]
    fn each_has_its_number_and_what_was_told_is_stored() {
        let rows = |numbers: &[i64]| numbers.iter().map(|number| ("v".to_owned(), *number)).collect::<Vec<_>>();
        let mut reprints = Reprints::default();
        assert!(print(&mut reprints, "a", 1) && print(&mut reprints, "a", 1) && print(&mut reprints, "b", 2));
        assert!(!print(&mut reprints.clone(), "a", 2));
        assert_eq!(reprints.kept(&rows(&[1, 2])), Ok(()));
        for wrong in [&[1][..], &[1, 3], &[1, 1, 2], &[1, 2, 3]] {
            assert!(reprints.kept(&rows(wrong)).is_err(), "{wrong:?}");
        }
        assert!(print(&mut reprints, "c", 2) && reprints.kept(&rows(&[1, 2])).is_err(), "two of one number");
    }
}
