//! Tones from a line of text: `FREQUENCIES:CADENCES`, as in `400+450*0.5/0/400+450*0.5/0:400/200/400/2000`.
//!
//! `FREQUENCIES` are elements between slashes: frequencies in Hz to be summed (`400+450`), each fixed or swept (`300~900`),
//! with a level that holds or fades for all of them (`*0.5`, `*1~0`); `0` is silence. `CADENCES` are milliseconds between
//! slashes; elements take them in turn, over again when there are more elements. A sum louder than full scale is scaled down.
//! No modulation, no noise.

use std::f64::consts::TAU;

use thiserror::Error;

/// Half the rate that telephones sample at.
const HIGHEST_HERTZ: f64 = 4_000.0;

/// What a specification may last.
const LONGEST_MS: u64 = 3_600_000;

/// A sequence of tones and silences.
#[derive(Debug, Clone, PartialEq)]
pub struct Tone {
    elements: Vec<Element>,
}

#[derive(Debug, Clone, PartialEq)]
struct Element {
    frequencies: Vec<Span>,
    level: Span,
    milliseconds: u64,
}

/// A figure that moves evenly over the time of an element.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    from: f64,
    to: f64,
}

/// Why a text is not a tone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToneError {
    /// Not exactly one colon.
    #[error("You must supply a cadence, eg. 400:1000")]
    Cadence,
    /// Not a number, or not one that makes sense there.
    #[error("{0:?} is not {1}")]
    Number(String, &'static str),
    /// Over an hour.
    #[error("a tone may last an hour at most")]
    TooLong,
}

/// Reads a specification.
pub fn parse(spec: &str) -> Result<Tone, ToneError> {
    let (frequencies, cadences) = spec.split_once(':').ok_or(ToneError::Cadence)?;
    if cadences.contains(':') {
        return Err(ToneError::Cadence);
    }
    let cadences: Vec<u64> = cadences.split('/').map(milliseconds).collect::<Result<_, _>>()?;
    let elements = frequencies.split('/').zip(cadences.into_iter().cycle());
    let elements: Vec<Element> = elements.map(|(text, ms)| element(text, ms)).collect::<Result<_, _>>()?;
    let tone = Tone { elements };
    if tone.duration_ms() > LONGEST_MS {
        return Err(ToneError::TooLong);
    }
    Ok(tone)
}

fn milliseconds(text: &str) -> Result<u64, ToneError> {
    let milliseconds = text.trim().parse().ok().filter(|&ms: &u64| ms <= LONGEST_MS);
    milliseconds.ok_or_else(|| ToneError::Number(text.to_owned(), "a number of milliseconds"))
}

fn element(text: &str, milliseconds: u64) -> Result<Element, ToneError> {
    let (frequencies, level) = text.split_once('*').unwrap_or((text, "1"));
    let frequencies = frequencies.split('+');
    Ok(Element {
        frequencies: frequencies
            .map(|text| span(text, HIGHEST_HERTZ, "a frequency of 0 to 4000 Hz"))
            .collect::<Result<_, _>>()?,
        level: span(level, 1.0, "a level of 0 to 1")?,
        milliseconds,
    })
}

fn span(text: &str, highest: f64, what: &'static str) -> Result<Span, ToneError> {
    let number = |part: &str| {
        let number = part.trim().parse().ok().filter(|number| (0.0..=highest).contains(number));
        number.ok_or_else(|| ToneError::Number(part.to_owned(), what))
    };
    let (from, to) = text.split_once('~').unwrap_or((text, text));
    Ok(Span { from: number(from)?, to: number(to)? })
}

impl Tone {
    /// How long it lasts, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.elements.iter().map(|element| element.milliseconds).sum()
    }

    /// The samples at a rate in Hz.
    #[must_use]
    pub fn samples(&self, rate: u32) -> Vec<i16> {
        let mut samples = Vec::new();
        for element in &self.elements {
            element.render(rate, &mut samples);
        }
        samples
    }
}

impl Element {
    fn render(&self, rate: u32, out: &mut Vec<i16>) {
        let count = self.milliseconds * u64::from(rate) / 1_000;
        let peak = self.level.from.max(self.level.to) * self.frequencies.len() as f64;
        let full_scale = f64::from(i16::MAX) / peak.max(1.0);
        out.extend((0..count).map(|n| {
            let elapsed = n as f64 / count as f64;
            let seconds = count as f64 / f64::from(rate);
            let waves = self.frequencies.iter();
            let sum: f64 = waves.map(|frequency| (TAU * frequency.area(elapsed) * seconds).sin()).sum();
            (full_scale * self.level.at(elapsed) * sum).round() as i16 // saturates
        }));
    }
}

impl Span {
    /// Its value when this share of the time has passed.
    fn at(self, elapsed: f64) -> f64 {
        self.from + (self.to - self.from) * elapsed
    }

    /// What it has added up to by then: for a frequency, the turns made.
    fn area(self, elapsed: f64) -> f64 {
        (self.from + self.at(elapsed)) / 2.0 * elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(spec: &str) -> Vec<i16> {
        parse(spec).unwrap().samples(8_000)
    }

    fn peak(samples: &[i16]) -> i32 {
        samples.iter().map(|&sample| i32::from(sample).abs()).max().unwrap_or(0)
    }

    /// Sign changes from minus to plus: one for each period.
    fn periods(samples: &[i16]) -> usize {
        samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count()
    }

    #[test]
    fn ringing_is_two_rings_and_two_silences() {
        let ringing = "400+450*0.5/0/400+450*0.5/0:400/200/400/2000";
        assert_eq!(parse(ringing).unwrap().duration_ms(), 3_000);
        let samples = samples(ringing);
        assert_eq!(samples.len(), 24_000);
        assert_eq!(peak(&samples[3_200..4_800]), 0);
        assert_eq!(peak(&samples[8_000..]), 0);
        assert!(peak(&samples[..3_200]) > 30_000);
        assert_eq!(samples[..3_200], samples[4_800..8_000]);
    }

    #[test]
    fn each_element_takes_one_cadence() {
        assert_eq!(parse("440/0:400/350/225/525").unwrap().duration_ms(), 750);
        assert_eq!(parse("440/0/440/0/440:400/100").unwrap().duration_ms(), 1_400);
    }

    #[test]
    fn a_sum_is_scaled_and_never_wraps() {
        let loud = samples("400+450:1000");
        assert_eq!(loud, samples("400+450*0.5:1000"));
        assert!(loud.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 16_000));
    }

    #[test]
    fn frequencies_and_sweeps_have_their_periods() {
        assert!(periods(&samples("440:1000")).abs_diff(440) <= 1);
        let sweep = samples("300~900:1000");
        assert!(periods(&sweep).abs_diff(600) <= 1);
        assert!(periods(&sweep[7_200..]).abs_diff(87) <= 1);
    }

    #[test]
    fn levels_hold_and_fade() {
        assert!((16_000..=16_384).contains(&peak(&samples("440*0.5:100"))));
        let fading = samples("440*1~0:1000");
        assert!(peak(&fading[..800]) > 31_000);
        assert!(peak(&fading[7_200..]) < 3_400);
    }

    #[test]
    fn other_texts_are_refused() {
        for spec in ["", "400", "400:1000:2"] {
            assert_eq!(parse(spec).unwrap_err(), ToneError::Cadence);
        }
        for spec in
            ["x:1", "400:", "400x2:10", "-1:10", "NaN:10", "4001:10", "400*2:10", "400:-1", "400+:10", "1~2~3:10"]
        {
            assert!(matches!(parse(spec), Err(ToneError::Number(..))), "{spec}");
        }
        assert_eq!(parse("1/1:3600000").unwrap_err(), ToneError::TooLong);
    }
}
