//! Recordings on disk: loads them for playing, and writes and describes them for the command line.
//!
//! Names are relative to one folder and cannot leave it. What is loaded stays in a cache of bounded size until the
//! file changes or others need the place. Everything here blocks on the disk: call it where that is allowed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use api::channel::{Loop, Soup, SoupFile};
use thiserror::Error;

use crate::engine::player::{Player, Segment};
use crate::engine::tone::{self, ToneError};
use crate::engine::wav::{self, Format, Sound, WavError};

/// Why something cannot be played or written; the text names the file.
#[derive(Debug, Error)]
pub enum SoundError {
    /// The soup has no files.
    #[error("files: names nothing to play")]
    Empty,
    /// An entry of the soup has no file under any of the known keys.
    #[error("files[{0}]: names no file")]
    Nameless(usize),
    /// Absolute, upwards, or through a link to elsewhere.
    #[error("{0}: lies outside the folder of sounds")]
    Outside(String),
    /// Not there, or not to be read.
    #[error("Couldn't open file {name}: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Larger than the whole cache.
    #[error("{0}: too large to be loaded")]
    TooLarge(String),
    /// Not a sound that can be read.
    #[error("{name}: {source}")]
    Unusable {
        /// The file.
        name: String,
        /// Why.
        source: WavError,
    },
    /// Not a tone.
    #[error(transparent)]
    Tone(#[from] ToneError),
    /// A tone is appended to 16-bit mono at 8 kHz alone.
    #[error("{0}: File format to append should be the same")]
    OtherFormat(String),
}

/// The recordings under one folder.
#[derive(Debug)]
pub struct Sounds {
    root: PathBuf,
    limit_bytes: usize,
    cache: Mutex<Cache>,
}

impl Sounds {
    /// Those under `root`, of which up to `limit_bytes` are kept in memory. A larger file is refused.
    #[must_use]
    pub fn new(root: PathBuf, limit_bytes: usize) -> Self {
        Self { root, limit_bytes, cache: Mutex::default() }
    }

    /// The recording at a rate, from the cache if it has not changed on disk.
    pub fn load(&self, name: &str, rate: u32) -> Result<Arc<Sound>, SoundError> {
        let unreadable = |source| SoundError::Unreadable { name: name.to_owned(), source };
        let path = self.confined(name)?;
        let stamp = Stamp::of(&path).map_err(unreadable)?;
        if stamp.length > self.limit_bytes as u64 {
            return Err(SoundError::TooLarge(name.to_owned()));
        }
        let key = (path, rate);
        if let Some(sound) = self.cache().find(&key, stamp) {
            return Ok(sound);
        }
        let bytes = read_at_most(&key.0, stamp.length).map_err(unreadable)?;
        let sound = wav::parse(&bytes).map_err(|source| SoundError::Unusable { name: name.to_owned(), source })?;
        let sound = Arc::new(sound.at(rate));
        self.cache().keep(key, stamp, &sound, self.limit_bytes);
        Ok(sound)
    }

    /// Where a name leads, when that is inside the root after all links.
    fn confined(&self, name: &str) -> Result<PathBuf, SoundError> {
        let inward = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(name).components().all(inward) {
            return Err(SoundError::Outside(name.to_owned()));
        }
        let unreadable = |source| SoundError::Unreadable { name: name.to_owned(), source };
        let root = self.root.canonicalize().map_err(unreadable)?;
        let path = root.join(name).canonicalize().map_err(unreadable)?;
        if !path.starts_with(&root) {
            return Err(SoundError::Outside(name.to_owned()));
        }
        Ok(path)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Whoever panicked while holding it left at worst a sound uncounted.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that grows while it is read does not grow in memory.
fn read_at_most(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What tells whether a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        // A pipe or a device could keep us waiting for ever.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// A file at a rate.
type Key = (PathBuf, u32);

#[derive(Debug, Default)]
struct Cache {
    kept: HashMap<Key, Kept>,
    bytes: usize,
    /// Counts the uses: the place of a clock.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    sound: Arc<Sound>,
    stamp: Stamp,
    last_use: u64,
}

impl Cache {
    fn find(&mut self, key: &Key, stamp: Stamp) -> Option<Arc<Sound>> {
        self.uses += 1;
        let kept = self.kept.get_mut(key).filter(|kept| kept.stamp == stamp)?;
        kept.last_use = self.uses;
        Some(Arc::clone(&kept.sound))
    }

    /// Keeps a sound in place of those not used for longest; one larger than the limit is not kept.
    fn keep(&mut self, key: Key, stamp: Stamp, sound: &Arc<Sound>, limit: usize) {
        self.forget(&key);
        let size = size_of_val(&*sound.samples);
        if size > limit {
            return;
        }
        while self.bytes + size > limit {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_use);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.forget(&oldest);
        }
        self.bytes += size;
        let kept = Kept { sound: Arc::clone(sound), stamp, last_use: self.uses };
        self.kept.insert(key, kept);
    }

    fn forget(&mut self, key: &Key) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= size_of_val(&*kept.sound.samples);
        }
    }
}

/// Loads what a soup names, for a channel that sends `codec_name` from samples at `rate`.
pub fn resolve(soup: &Soup, codec_name: &str, rate: u32, sounds: &Sounds) -> Result<Player, SoundError> {
    if soup.files.is_empty() {
        return Err(SoundError::Empty);
    }
    let files = soup.files.iter().enumerate();
    let segments = files.map(|(index, file)| {
        Ok(Segment {
            sound: load_nearest(index, file, codec_name, |name| sounds.load(name, rate))?,
            start_ms: file.start,
            stop_ms: file.stop,
            extra_plays: extra(file.rounds),
        })
    });
    let segments = segments.collect::<Result<_, SoundError>>()?;
    Ok(Player::new(segments, extra(soup.rounds)))
}

/// The variant nearest to the codec whose encoding can be read.
fn load_nearest(
    index: usize,
    file: &SoupFile,
    codec_name: &str,
    load: impl Fn(&str) -> Result<Arc<Sound>, SoundError>,
) -> Result<Sound, SoundError> {
    let mut failure = SoundError::Nameless(index);
    for name in by_nearness(file, codec_name).into_iter().flatten() {
        match load(name) {
            Ok(sound) => return Ok(Sound::clone(&sound)),
            Err(error @ SoundError::Unusable { source: WavError::Encoding { .. }, .. }) => failure = error,
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}

/// The variants of a recording, the one nearest to the codec first.
fn by_nearness<'a>(file: &'a SoupFile, codec_name: &str) -> [Option<&'a str>; 7] {
    let SoupFile { wav, pcmu, pcma, l168k, l1616k, ilbc, g722, .. } = file;
    let order = match codec_name {
        "pcma" => [pcma, pcmu, l168k, l1616k, ilbc, g722, wav],
        "722" => [g722, l1616k, l168k, pcma, pcmu, ilbc, wav],
        "ilbc" => [ilbc, l168k, pcma, pcmu, l1616k, g722, wav],
        "opus" => [l1616k, g722, l168k, pcma, pcmu, ilbc, wav],
        _ => [pcmu, pcma, l168k, l1616k, ilbc, g722, wav],
    };
    order.map(Option::as_deref)
}

/// Plays after the first; for ever is `None`.
fn extra(rounds: Option<Loop>) -> Option<u32> {
    match rounds {
        None | Some(Loop::Forever(false)) => Some(0),
        Some(Loop::Forever(true)) => None,
        Some(Loop::Times(times)) => Some(times),
    }
}

/// Rate of the tones that are written.
const TONE_RATE: u32 = 8_000;

/// Writes a tone to a file, or appends it where there is one of 16-bit mono at 8 kHz; returns its milliseconds.
pub fn write_tone(spec: &str, file: &Path) -> Result<u64, SoundError> {
    let tone = tone::parse(spec)?;
    let mut samples = match fs::read(file) {
        Ok(bytes) => appendable(&bytes, file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(unopened(file, source)),
    };
    samples.extend(tone.samples(TONE_RATE));
    let bytes = wav::write(&samples, TONE_RATE);
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    opened.and_then(|mut opened| opened.write_all(&bytes)).map_err(|source| unopened(file, source))?;
    Ok(tone.duration_ms())
}

fn appendable(bytes: &[u8], file: &Path) -> Result<Vec<i16>, SoundError> {
    let unusable = |source| SoundError::Unusable { name: file.display().to_string(), source };
    let (format, _) = wav::inspect(bytes).map_err(unusable)?;
    if (format.tag, format.channels, format.rate, format.bits) != (Format::PCM, 1, TONE_RATE, 16) {
        return Err(SoundError::OtherFormat(file.display().to_string()));
    }
    Ok(wav::parse(bytes).map_err(unusable)?.samples.to_vec())
}

/// Describes the header of a file, one property a line.
pub fn wavinfo(file: &Path) -> Result<String, SoundError> {
    let bytes = fs::read(file).map_err(|source| unopened(file, source))?;
    let (format, data) =
        wav::inspect(&bytes).map_err(|source| SoundError::Unusable { name: file.display().to_string(), source })?;
    let lines = [
        ("Audio format", u32::from(format.tag)),
        ("Channel count", format.channels.into()),
        ("Sample rate", format.rate),
        ("Sample alignment", format.alignment.into()),
        ("Byte rate", format.byte_rate),
        ("Bit depth", format.bits.into()),
        ("Wav size", u32::try_from(data.len()).unwrap_or(u32::MAX)),
    ];
    Ok(lines.map(|(name, value)| format!("{name}: {value}\n")).concat())
}

fn unopened(file: &Path, source: io::Error) -> SoundError {
    SoundError::Unreadable { name: file.display().to_string(), source }
}

#[cfg(test)]
mod tests;
