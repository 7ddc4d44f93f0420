//! Files in a folder of their own, named after the test.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rtp-server-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root/sub")).unwrap();
        Self(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Writes a file of one value, 10 ms for each frame.
    fn flat(&self, name: &str, value: i16, frames: usize) {
        fs::write(self.root().join(name), wav::write(&vec![value; frames * 80], 8_000)).unwrap();
    }

    fn sounds(&self) -> Sounds {
        Sounds::new(self.root(), 100_000)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn soup(json: serde_json::Value) -> Soup {
    serde_json::from_value(json).unwrap()
}

fn first_sample(json: serde_json::Value, codec: &str, sounds: &Sounds) -> i16 {
    let mut frame = [0; 160];
    resolve(&soup(json), codec, 8_000, sounds).unwrap().fill(&mut frame);
    frame[0]
}

#[test]
fn loads_at_the_rate_that_is_asked_for() {
    let folder = Folder::new("rate");
    folder.flat("sub/a.wav", 1_000, 10);
    let sounds = folder.sounds();
    for (rate, count) in [(8_000, 800), (16_000, 1_600)] {
        let sound = sounds.load("sub/a.wav", rate).unwrap();
        assert_eq!((sound.rate, sound.samples.len()), (rate, count));
        assert_eq!(sound.samples[count / 2], 1_000);
    }
}

#[test]
fn names_cannot_leave_the_root() {
    let folder = Folder::new("outside");
    folder.flat("../secret.wav", 1, 1);
    folder.flat("a.wav", 1, 1);
    symlink(folder.0.join("secret.wav"), folder.root().join("link.wav")).unwrap();
    symlink(&folder.0, folder.root().join("up")).unwrap();
    symlink(folder.root().join("a.wav"), folder.root().join("inside.wav")).unwrap();
    let sounds = folder.sounds();
    let absolute = folder.root().join("a.wav").display().to_string();
    for name in ["../secret.wav", "sub/../a.wav", "link.wav", "up/secret.wav", &absolute] {
        let error = sounds.load(name, 8_000).unwrap_err();
        assert!(matches!(&error, SoundError::Outside(named) if named == name), "{name}: {error}");
    }
    assert!(sounds.load("./inside.wav", 8_000).is_ok());
}

#[test]
fn errors_name_the_file() {
    let folder = Folder::new("errors");
    fs::write(folder.root().join("text.wav"), "hello").unwrap();
    folder.flat("long.wav", 1, 2_000);
    let sounds = folder.sounds();
    let message = |name: &str| sounds.load(name, 8_000).unwrap_err().to_string();
    assert!(message("none.wav").starts_with("Couldn't open file none.wav: "));
    assert!(message("sub").starts_with("Couldn't open file sub: not a regular file"));
    assert!(message("").contains("not a regular file"));
    assert_eq!(message("text.wav"), "text.wav: Bad riff");
    assert_eq!(message("long.wav"), "long.wav: too large to be loaded");
}

#[test]
fn the_cache_notices_a_changed_file() {
    let folder = Folder::new("changed");
    folder.flat("a.wav", 1, 1);
    let sounds = folder.sounds();
    let first = sounds.load("a.wav", 8_000).unwrap();
    assert!(Arc::ptr_eq(&first, &sounds.load("a.wav", 8_000).unwrap()));
    folder.flat("a.wav", 2, 1);
    let file = File::options().write(true).open(folder.root().join("a.wav")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert_eq!(sounds.load("a.wav", 8_000).unwrap().samples[0], 2);
}

#[test]
fn the_cache_drops_what_was_not_used_for_longest() {
    let folder = Folder::new("limit");
    for name in ["a.wav", "b.wav", "c.wav"] {
        folder.flat(name, 1, 10);
    }
    let sounds = Sounds::new(folder.root(), 3_500); // two of 1600 bytes
    let load = |name: &str| sounds.load(name, 8_000).unwrap();
    let (a, b) = (load("a.wav"), load("b.wav"));
    load("a.wav");
    load("c.wav");
    assert!(Arc::ptr_eq(&a, &load("a.wav")));
    assert!(!Arc::ptr_eq(&b, &load("b.wav")));
    assert!(sounds.cache().bytes <= 3_500);
}

#[test]
fn the_variant_nearest_to_the_codec_is_taken() {
    let folder = Folder::new("variants");
    let keys = ["pcmu", "pcma", "l168k", "l1616k", "ilbc", "g722", "wav"];
    for (value, key) in keys.iter().enumerate() {
        folder.flat(&format!("{key}.wav"), value as i16, 2);
    }
    let sounds = folder.sounds();
    for (codec, order) in [
        ("pcmu", [0, 1, 2, 3, 4, 5, 6]),
        ("pcma", [1, 0, 2, 3, 4, 5, 6]),
        ("722", [5, 3, 2, 1, 0, 4, 6]),
        ("ilbc", [4, 2, 1, 0, 3, 5, 6]),
    ] {
        for absent in 0..keys.len() {
            let there = order[absent..].iter().map(|&at| (keys[at], format!("{}.wav", keys[at])));
            let file: serde_json::Map<_, _> = there.map(|(key, name)| (key.to_owned(), name.into())).collect();
            let sample = first_sample(serde_json::json!({"files": [file]}), codec, &sounds);
            assert_eq!(usize::try_from(sample).unwrap(), order[absent], "{codec} without {absent}");
        }
    }
}

#[test]
fn an_encoding_that_cannot_be_read_gives_way() {
    let folder = Folder::new("encoding");
    folder.flat("a.wav", 7, 2);
    let mut ilbc = wav::write(&[0; 160], 8_000);
    ilbc[20..22].copy_from_slice(&0xA116u16.to_le_bytes());
    fs::write(folder.root().join("i.wav"), ilbc).unwrap();
    let sounds = folder.sounds();
    let both = serde_json::json!({"files": [{"ilbc": "i.wav", "wav": "a.wav"}]});
    assert_eq!(first_sample(both, "ilbc", &sounds), 7);
    let alone = soup(serde_json::json!({"files": [{"ilbc": "i.wav"}]}));
    let error = resolve(&alone, "ilbc", 8_000, &sounds).unwrap_err().to_string();
    assert!(error.starts_with("i.wav: Bad format"), "{error}");
}

#[test]
fn soups_with_nothing_to_play_are_refused() {
    let folder = Folder::new("empty");
    folder.flat("a.wav", 1, 2);
    let sounds = folder.sounds();
    let message = |json| resolve(&soup(json), "pcmu", 8_000, &sounds).unwrap_err().to_string();
    assert_eq!(message(serde_json::json!({"files": []})), "files: names nothing to play");
    let second = serde_json::json!({"files": [{"wav": "a.wav"}, {"start": 5}]});
    assert_eq!(message(second), "files[1]: names no file");
    let missing = serde_json::json!({"files": [{"wav": "b.wav"}]});
    assert!(message(missing).contains("b.wav"));
}

#[test]
fn a_soup_is_played_as_it_says() {
    let folder = Folder::new("soup");
    folder.flat("a.wav", 1, 2);
    folder.flat("b.wav", 2, 6);
    let json = serde_json::json!({"loop": 1, "files": [{"wav": "a.wav", "loop": 1}, {"wav": "b.wav", "start": 20, "stop": 40}]});
    let mut player = resolve(&soup(json), "pcmu", 8_000, &folder.sounds()).unwrap();
    let mut heard = Vec::new();
    let mut frame = [0; 160];
    while player.fill(&mut frame) {
        heard.push(frame[0]);
    }
    assert_eq!(heard, [1, 1, 2, 1, 1, 2]);
}

#[test]
fn tones_are_written_and_appended() {
    let folder = Folder::new("tone");
    let file = folder.0.join("tone.wav");
    assert_eq!(write_tone("400+450*0.5/0/400+450*0.5/0:400/200/400/2000", &file).unwrap(), 3_000);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(write_tone("440:1000", &file).unwrap(), 1_000);
    assert_eq!(wav::parse(&fs::read(&file).unwrap()).unwrap().samples.len(), 32_000);
    let expected = "Audio format: 1\nChannel count: 1\nSample rate: 8000\nSample alignment: 2\nByte rate: 16000\nBit depth: 16\nWav size: 64000\n";
    assert_eq!(wavinfo(&file).unwrap(), expected);
}

#[test]
fn a_tone_is_not_appended_to_something_else() {
    let folder = Folder::new("append");
    let file = folder.0.join("wide.wav");
    fs::write(&file, wav::write(&[0; 16], 16_000)).unwrap();
    let error = write_tone("440:1000", &file).unwrap_err().to_string();
    assert!(error.ends_with("File format to append should be the same"), "{error}");
    assert!(write_tone("440", &file).unwrap_err().to_string().starts_with("You must supply a cadence"));
    let error = wavinfo(&folder.0.join("none.wav")).unwrap_err().to_string();
    assert!(error.starts_with("Couldn't open file "), "{error}");
}
