//! The demo: sets the stage, plays the scenes, and says what came of them.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::azurite::Azurite;
use super::cast;
use super::check::{self, Row};
use super::narrator::{Narrator, Screen};
use super::paint::{Ink, Paint};
use super::scenes;
use super::stage::{Plan, Stage, Way, tail};

/// Lines of the guard's log that are shown if something went wrong.
const LOG_TAIL_LINES: usize = 60;
/// How long all scenes together may take, in Azure's time: more than twice what they do on an idle machine.
const STORY_TIMEOUT: Duration = Duration::from_secs(80 * 60);
/// Cues that wait to be told. A scene gives two or three.
const CUES_MAX: usize = 64;
/// Columns of the table for a scene's title.
const TITLE: usize = 52;

/// What to play with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's folder, with `host.json`, the functions and the policies.
    pub project: PathBuf,
    /// The guard's binary.
    pub guard: PathBuf,
    /// The program `azurite-blob`.
    pub azurite: PathBuf,
    /// How many times as fast everything goes.
    pub speed_up: u32,
    /// Whether to use colours.
    pub colour: bool,
    /// Whether a line may be written over.
    pub is_terminal: bool,
}

/// Plays the demo. Answers whether all came out right.
///
/// # Errors
/// When the stage can't be set, or a scene can't be played at all.
pub async fn play(options: &Options, out: impl Write) -> Result<bool> {
    let began = Instant::now();
    let paint = Paint { on: options.colour };
    let mut screen = Screen { out, paint, is_terminal: options.is_terminal };
    let azurite = Azurite::start(&options.azurite).await?;
    let stage = Stage::set(plan(options, &azurite)).await?;
    introduce(&mut screen, &stage, &azurite, options)?;
    let (cues, told) = tokio::sync::mpsc::channel(CUES_MAX);
    let story = scenes::play(&stage, &cues, options.speed_up);
    let story = tokio::time::timeout(STORY_TIMEOUT / options.speed_up.max(1), story);
    let played = Narrator::new(&stage, &mut screen, told, options.speed_up)?.tell(story).await;
    let rows = check::table(&stage);
    print_table(&mut screen, &rows);
    let all_right = matches!(played, Ok(Ok(()))) && rows.iter().all(|row| row.ok);
    if !all_right {
        screen.line(&paint.text(Ink::Red, "\nThe newest lines of the host's and the guard's log:"));
        screen.line(&tail(stage.host()?, LOG_TAIL_LINES));
    }
    played.unwrap_or_else(|_| Err(anyhow!("the scenes took too long and were cut short")))?;
    let seconds = began.elapsed().as_secs();
    screen.line(&if all_right {
        paint.text(Ink::Green, &format!("All came out right, in {seconds} s."))
    } else {
        paint.text(Ink::Red, &format!("Not all came out right, in {seconds} s."))
    });
    Ok(all_right)
}

fn plan(options: &Options, azurite: &Azurite) -> Plan {
    Plan {
        project: options.project.clone(),
        guard: options.guard.clone(),
        azurite_url: azurite.url().to_owned(),
        container: "demo".to_owned(),
        speed_up: options.speed_up,
        subscriptions: cast::subscriptions(),
        way: Way::Webhook,
        policies: vec![("demo.cedar".to_owned(), cast::pipeline_policy())],
    }
}

fn introduce<W: Write>(
    screen: &mut Screen<W>,
    stage: &Stage,
    azurite: &Azurite,
    options: &Options,
) -> Result<()> {
    let host = stage.host()?;
    let paint = screen.paint;
    screen.line(&paint.text(Ink::Bold, "aks-stop-guard against a simulated Azure"));
    screen
        .line(&format!("  Azure      {} (ARM, activity log, identity, webhook receiver)", stage.azure.url()));
    screen.line(&format!("  state      {} (Azurite)", azurite.url()));
    screen.line(&format!("  host       {} (stand-in for the Functions host)", host.url()));
    let pid = host.handler_pid().unwrap_or_default();
    screen.line(&format!("  guard      process {pid}, {}", options.guard.display()));
    screen.line(&format!(
        "  policies   the default ones, and one that allows {} to stop",
        cast::pipeline().name
    ));
    screen.line(&format!(
        "  time       {} times as fast; the clock below shows Azure's time\n",
        options.speed_up
    ));
    Ok(())
}

fn print_table<W: Write>(screen: &mut Screen<W>, rows: &[Row]) {
    let paint = screen.paint;
    let width = rows.iter().map(|row| shown(row).chars().count()).max().unwrap_or_default();
    let head = format!("    {:<TITLE$} as seen in Azure and by the receiver of incidents", "scene");
    screen.line("");
    screen.line(&paint.text(Ink::Bold, &head));
    for row in rows {
        let (number, title) = match row.scene {
            Some(scene) => (scene.number().to_string(), scene.title()),
            None => ("*".to_owned(), "through all of it"),
        };
        let (mark, ink) = if row.ok { ("ok", Ink::Green) } else { ("WRONG", Ink::Red) };
        let shown = shown(row);
        screen.line(&format!("  {number} {title:<TITLE$} {shown:<width$}  {}", paint.text(ink, mark)));
        if !row.ok {
            let got = format!("got: {}", row.got);
            screen.line(&format!("    {:<TITLE$} {}", "", paint.text(Ink::Red, &got)));
        }
    }
    screen.line("");
}

fn shown(row: &Row) -> String {
    if row.ok { row.got.clone() } else { format!("expected: {}", row.expected) }
}
