//! Tariff presets: price lists to begin with, as the settings say them.

use serde::{Deserialize, Serialize};

use crate::operations::tariff_preset::Terms;

/// A price list to begin with; see `config/tariff_presets.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TariffPreset {
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// Where its figures come from.
    pub source: String,
    /// What its prices are in, ISO 4217.
    pub currency: String,
    /// What it says.
    pub terms: Terms,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::settings;

    #[test]
    fn every_preset_is_a_tariff() {
        let settings = settings::read(None, None).unwrap();
        let names: Vec<&str> = settings.tariff_presets.keys().map(String::as_str).collect();
        assert_eq!(names, ["commercial_time_of_use", "flat", "residential_tiered"]);
        for (name, preset) in &settings.tariff_presets {
            let version = preset.terms.version(jiff::civil::date(2026, 5, 1)).numbered(1, None).unwrap();
            assert_eq!(version.time_of_use.is_some(), name == "commercial_time_of_use");
        }
    }

    #[test]
    fn a_preset_that_is_no_tariff_is_refused_by_its_key() {
        let broken = "[tariff_presets.flat.terms]\nblocks = [{ upto_kwh = \"5\", price = \"0.6\" }]\n";
        let refused = settings::read(Some(broken), None).unwrap_err().to_string();
        assert!(refused.contains("tariff_presets.flat.terms.blocks[0].upto_kwh"), "{refused}");
    }
}
