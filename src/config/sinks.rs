//! Where people are told: the folder of sinks' files, and those that the settings name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::environment::Environment;
use super::fault::{Fault, FaultKind};
use super::reader::{Reader, meant, words};
use super::routes::name_of;
use super::{OWN_SETTINGS, SINK_FILES_SETTING, SINKS_SETTING};
use crate::domain::text::clean;
use crate::incident::{
    Azure, FILE_BYTES_MAX, Parts, PrepareFault, PreparedSink, SinkFault, SinkFile, prepare, sample_ready,
};

/// The folder if no setting names one: the one that is published with the app.
pub(super) const FOLDER_DEFAULT: &str = "sinks";
/// Most files that are read.
const FILES_MAX: usize = 100;
/// Longest reason of the file system in a message, in characters.
const REASON_CHARS_MAX: usize = 200;

/// All sinks that there are files for.
#[derive(Debug)]
pub struct SinkFolder {
    path: PathBuf,
    /// By name.
    files: BTreeMap<String, ReadFile>,
    unreadable: Option<String>,
}

#[derive(Debug)]
struct ReadFile {
    path: String,
    text: String,
    /// What the text says, read once: all files are asked for their settings' names, whichever are used.
    file: Result<SinkFile, Vec<SinkFault>>,
}

impl ReadFile {
    fn read(path: &Path) -> Self {
        let shown = path.display().to_string();
        match read_file(path) {
            Ok(text) => {
                let file = SinkFile::parse(&shown, &text, &OWN_SETTINGS);
                Self { path: shown, text, file }
            }
            Err(error) => {
                let reason = clean(&error.to_string(), REASON_CHARS_MAX);
                let fault = SinkFault::new(&shown, None, &format!("can't be read ({reason})"));
                Self { path: shown, text: String::new(), file: Err(vec![fault]) }
            }
        }
    }
}

/// A sink of the folder, for people to look at.
#[derive(Debug)]
pub struct SinkEntry {
    /// It, if its file is in order; with made-up values for settings that are missing.
    pub sink: Option<PreparedSink>,
    /// The names of its settings, whether each is needed, and whether it is there.
    pub settings: Vec<SinkSetting>,
    /// What is wrong, each in a line.
    pub faults: Vec<String>,
}

/// A setting of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSetting {
    /// The environment variable.
    pub env: String,
    /// What to write there.
    pub about: String,
    /// Whether the sink works without.
    pub optional: bool,
    /// Whether something is written there.
    pub is_set: bool,
}

impl SinkFolder {
    /// Reads the folder that the settings name.
    pub fn of(environment: &Environment) -> Self {
        Self::read(Path::new(environment.get(SINK_FILES_SETTING).unwrap_or(FOLDER_DEFAULT)))
    }

    fn read(path: &Path) -> Self {
        let mut folder = Self { path: path.to_owned(), files: BTreeMap::new(), unreadable: None };
        match paths(path) {
            Ok(paths) => {
                for path in paths {
                    let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
                    folder.files.insert(name.to_owned(), ReadFile::read(&path));
                }
            }
            Err(error) => folder.unreadable = Some(clean(&error.to_string(), REASON_CHARS_MAX)),
        }
        folder
    }

    /// The names of the sinks that there are files for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The environment variables of a sink, or none if its file is broken.
    fn settings(&self, name: &str) -> impl Iterator<Item = &str> {
        let file = self.files.get(name).and_then(|read| read.file.as_ref().ok());
        file.into_iter().flat_map(|file| file.settings.values()).map(|setting| setting.env.get_ref().as_str())
    }

    /// The environment variables of all sinks whose files are in order.
    pub(super) fn all_settings(&self) -> impl Iterator<Item = &str> {
        self.names().flat_map(|name| self.settings(name))
    }

    /// One sink of the folder; `None` if there is no such file.
    pub fn entry(
        &self,
        name: &str,
        environment: &Environment,
        zone: &TimeZone,
        azure: &Azure,
    ) -> Option<SinkEntry> {
        let read = self.files.get(name)?;
        let file = match &read.file {
            Ok(file) => file,
            Err(faults) => {
                let faults = faults.iter().map(ToString::to_string).collect();
                return Some(SinkEntry { sink: None, settings: Vec::new(), faults });
            }
        };
        let settings = file.settings.values().map(|setting| SinkSetting {
            env: setting.env.get_ref().clone(),
            about: setting.about.clone(),
            optional: setting.optional || setting.default.is_some(),
            is_set: environment.get(setting.env.get_ref()).is_some(),
        });
        let settings = settings.collect();
        let get = |env: &str| environment.get(env).map(str::to_owned);
        let parts = Parts {
            name,
            path: &read.path,
            text: &read.text,
            file,
            env: &get,
            zone: zone.clone(),
            azure: azure.clone(),
        };
        let (sink, faults) = sample_ready(parts);
        let faults = faults.into_iter().map(|fault| fault_of(name, fault).to_string()).collect();
        Some(SinkEntry { sink, settings, faults })
    }
}

/// The sinks that the settings name. One that is broken takes no other down.
pub(super) fn read(
    reader: &mut Reader<'_>,
    folder: &SinkFolder,
    zone: &TimeZone,
    azure: &Azure,
) -> Vec<PreparedSink> {
    let list: Vec<&str> = reader.get(SINKS_SETTING).map(words).into_iter().flatten().collect();
    // What stands behind a colon says which incidents go there.
    let mut names: Vec<&str> = list.into_iter().map(name_of).collect();
    names.sort_unstable();
    names.dedup();
    report_unused(reader, folder, &names);
    if let (Some(reason), false) = (&folder.unreadable, names.is_empty()) {
        let shown = clean(&folder.path.display().to_string(), REASON_CHARS_MAX);
        reader.invalid(
            SINK_FILES_SETTING,
            &shown,
            &format!("can't be read ({reason}): it is the folder of sinks' files"),
        );
        return Vec::new();
    }
    let mut sinks = Vec::new();
    for name in names {
        match one(reader, folder, name, zone, azure) {
            Ok(sink) => sinks.push(sink),
            Err(faults) => faults.into_iter().for_each(|fault| reader.fault(fault)),
        }
    }
    sinks
}

fn one(
    reader: &mut Reader<'_>,
    folder: &SinkFolder,
    name: &str,
    zone: &TimeZone,
    azure: &Azure,
) -> Result<PreparedSink, Vec<Fault>> {
    let Some(read) = folder.files.get(name) else {
        let known: Vec<&str> = folder.names().collect();
        let problem = match meant(name, &known) {
            Some(meant) => format!("is no sink: did you mean `{meant}`?"),
            None => format!("is no sink: there are {}", known.join(", ")),
        };
        reader.invalid(SINKS_SETTING, name, &problem);
        return Err(Vec::new());
    };
    let within = |fault: &SinkFault| Fault::within(SINKS_SETTING, fault.clone());
    let file = read.file.as_ref().map_err(|faults| faults.iter().map(within).collect::<Vec<_>>())?;
    let get = |env: &str| reader.get(env).map(str::to_owned);
    let parts = Parts {
        name,
        path: &read.path,
        text: &read.text,
        file,
        env: &get,
        zone: zone.clone(),
        azure: azure.clone(),
    };
    prepare(parts).map_err(|faults| faults.into_iter().map(|fault| fault_of(name, fault)).collect())
}

fn fault_of(sink: &str, fault: PrepareFault) -> Fault {
    match fault {
        PrepareFault::File(fault) => Fault::within(SINKS_SETTING, fault),
        PrepareFault::Missing { env, about } => {
            let told = format!("is missing: {SINKS_SETTING} names `{sink}`, so write {about}");
            Fault::about(&env, FaultKind::Missing, &told)
        }
        PrepareFault::Invalid { env, problem } => Fault::about(&env, FaultKind::Invalid, &problem),
    }
}

/// Settings of sinks that nobody named: somebody believes in them.
fn report_unused(reader: &mut Reader<'_>, folder: &SinkFolder, names: &[&str]) {
    let used: Vec<&str> = names.iter().flat_map(|name| folder.settings(name)).collect();
    for name in folder.names().filter(|name| !names.contains(name)) {
        for env in folder.settings(name) {
            if reader.get(env).is_some() && !used.contains(&env) {
                let told = format!(
                    "is not used: {SINKS_SETTING} doesn't name `{name}`; add it there or remove this"
                );
                reader.fault(Fault::about(env, FaultKind::Invalid, &told));
            }
        }
    }
}

fn paths(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // An editor's `.slack.toml` and the like are no sinks.
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|extension| extension == "toml") && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    paths.truncate(FILES_MAX);
    Ok(paths)
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
        return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    const FILE: &str = "about = \"a\"\n[settings.key]\nenv = \"STOP_GUARD_OWN_KEY\"\nabout = \"a key\"\nsecret = true\n\
        [[step]]\nname = \"a\"\nurl = \"https://x.example\"\nbody = '[{{ settings.key }}]'\n";

    fn told(files: &[(&str, &[u8])], names: &str) -> (Vec<String>, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().display().to_string();
        let settings = Settings::read(&Environment::of([
            (SINK_FILES_SETTING, path.as_str()),
            (SINKS_SETTING, names),
            ("STOP_GUARD_OWN_KEY", "canary-canary"),
            ("STOP_GUARD_STATE", "memory"),
            ("STOP_GUARD_SUBSCRIPTIONS", "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"),
        ]));
        let faults =
            settings.faults.iter().map(|fault| format!("{}\n", fault.to_string().replace(&path, "sinks")));
        (settings.sink_names().into_iter().map(str::to_owned).collect(), faults.collect())
    }

    #[test]
    fn a_sink_of_ones_own_is_one_more_file_with_settings_of_its_own() {
        assert_eq!(told(&[("own.toml", FILE.as_bytes())], "own"), (vec!["own".to_owned()], String::new()));
    }

    #[test]
    fn a_broken_sink_takes_no_other_down_and_shows_no_secret() {
        let no_json = FILE.replace("'[{{", "'[ {{").replace("}}]'", "}} oops]'");
        let long = "#".repeat(300 * 1024);
        let files: [(&str, &[u8]); 5] = [
            ("own.toml", FILE.as_bytes()),
            ("odd.toml", no_json.as_bytes()),
            ("raw.toml", &[0xff]),
            ("long.toml", long.as_bytes()),
            (".hidden.toml", b"x"),
        ];
        let (sinks, faults) = told(&files, "own:high, odd, raw, long, hidden");
        assert_eq!(sinks, ["own"]);
        insta::assert_snapshot!(faults, @r#"
        STOP_GUARD_SINKS: `hidden` is no sink: did you mean `odd`?
        sinks/long.toml: can't be read (it has more than 262144 bytes)
        sinks/odd.toml:9: the body is no JSON: expected `,` or `]` at line 1 column 19, near `[ "***" oops]`
        sinks/raw.toml: can't be read (stream did not contain valid UTF-8)
        "#);
        assert!(!faults.contains("canary"));
    }

    #[test]
    fn a_file_that_nobody_names_may_be_broken() {
        let (sinks, faults) = told(&[("own.toml", FILE.as_bytes()), ("draft.toml", b"x")], "own");
        assert_eq!((sinks.len(), faults.as_str()), (1, ""));
    }
}
