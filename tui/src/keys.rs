//! Which key asks for what, in one table that the help is drawn from as well, so that the help
//! cannot promise a key that is not there. What is asked is carried out by `update`.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::args::Tab;
use crate::message::Ask;

/// One line of the help: keys, and what they ask for on some tabs.
pub(crate) struct Binding {
    /// The keys, as the help names them, in Unicode and in ASCII.
    pub(crate) names: (&'static str, &'static str),
    pub(crate) does: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Ask)],
    pub(crate) hint: Hint,
    /// Whether it changes something at the master.
    changes: bool,
}

/// When the line at the foot of the screen names a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Never,
    /// Where its tab has something to show.
    Here,
    /// While the master cannot be heard.
    Cut,
    Always,
}

const ALL: &[Tab] = &Tab::ALL;
const LISTS: &[Tab] = &[
    Tab::Jobs,
    Tab::Job,
    Tab::Workers,
    Tab::Dead,
    Tab::Broker,
    Tab::Log,
];
const FILTERED: &[Tab] = &[Tab::Jobs, Tab::Rows, Tab::Workers, Tab::Dead, Tab::Log];

const fn key(c: char) -> KeyCode {
    KeyCode::Char(c)
}

const UP_AND_DOWN: &[(KeyCode, Ask)] = &[
    (KeyCode::Up, Ask::Down(-1)),
    (key('k'), Ask::Down(-1)),
    (KeyCode::Down, Ask::Down(1)),
    (key('j'), Ask::Down(1)),
];
const LEFT_AND_RIGHT: &[(KeyCode, Ask)] = &[
    (KeyCode::Left, Ask::Right(-1)),
    (key('h'), Ask::Right(-1)),
    (KeyCode::Right, Ask::Right(1)),
    (key('l'), Ask::Right(1)),
];

/// A binding that changes nothing but the view.
const fn looks(
    names: (&'static str, &'static str),
    does: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Ask)],
    hint: Hint,
) -> Binding {
    Binding {
        names,
        does,
        tabs,
        keys,
        hint,
        changes: false,
    }
}

/// A binding that changes something at the master.
const fn acts(
    names: (&'static str, &'static str),
    does: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Ask)],
) -> Binding {
    Binding {
        changes: true,
        ..looks(names, does, tabs, keys, Hint::Here)
    }
}

/// The same name in Unicode and in ASCII.
const fn both(name: &'static str) -> (&'static str, &'static str) {
    (name, name)
}

/// Every key, in the order of the help.
pub(crate) const BINDINGS: &[Binding] = &[
    looks(
        ("↑ ↓  k j", "up down  k j"),
        "choose",
        LISTS,
        UP_AND_DOWN,
        Hint::Here,
    ),
    looks(
        ("↑ ↓  k j", "up down  k j"),
        "scroll (and hold)",
        &[Tab::Rows],
        UP_AND_DOWN,
        Hint::Never,
    ),
    looks(
        both("PgUp PgDn"),
        "a screen up, down",
        ALL,
        &[
            (KeyCode::PageUp, Ask::Page(-1)),
            (KeyCode::PageDown, Ask::Page(1)),
        ],
        Hint::Never,
    ),
    looks(
        both("Home End  g G"),
        "first, last",
        ALL,
        &[
            (KeyCode::Home, Ask::First),
            (key('g'), Ask::First),
            (KeyCode::End, Ask::Last),
            (key('G'), Ask::Last),
        ],
        Hint::Never,
    ),
    looks(
        ("← →  h l", "left right  h l"),
        "columns",
        &[Tab::Rows],
        LEFT_AND_RIGHT,
        Hint::Here,
    ),
    looks(
        ("← →  h l", "left right  h l"),
        "job before, after",
        &[Tab::Job],
        LEFT_AND_RIGHT,
        Hint::Here,
    ),
    looks(
        both("Enter"),
        "open the job",
        &[Tab::Jobs, Tab::Dead, Tab::Log],
        &[(KeyCode::Enter, Ask::Open)],
        Hint::Here,
    ),
    looks(
        both("s"),
        "sort",
        &[Tab::Jobs, Tab::Workers],
        &[(key('s'), Ask::Sort)],
        Hint::Here,
    ),
    looks(
        both("/"),
        "filter",
        FILTERED,
        &[(key('/'), Ask::Filter)],
        Hint::Here,
    ),
    looks(
        both("Space"),
        "hold the view",
        ALL,
        &[(key(' '), Ask::Hold)],
        Hint::Here,
    ),
    acts(
        both("p"),
        "pause the job, or resume it",
        &[Tab::Jobs, Tab::Job],
        &[(key('p'), Ask::PauseJob)],
    ),
    acts(
        both("c"),
        "cancel the job",
        &[Tab::Jobs, Tab::Job],
        &[(key('c'), Ask::Cancel)],
    ),
    acts(
        both("r"),
        "replay dead chunks",
        &[Tab::Jobs, Tab::Job, Tab::Dead],
        &[(key('r'), Ask::Replay)],
    ),
    acts(
        both("d"),
        "drop the chunk",
        &[Tab::Dead],
        &[(key('d'), Ask::Drop)],
    ),
    looks(
        both("b"),
        "bad records, or the result",
        &[Tab::Job],
        &[(key('b'), Ask::Bad)],
        Hint::Here,
    ),
    looks(
        both("f"),
        "all jobs, or the chosen one",
        &[Tab::Rows],
        &[(key('f'), Ask::Follow)],
        Hint::Here,
    ),
    looks(
        both("x  X"),
        "hide the first column, show all",
        &[Tab::Rows],
        &[(key('x'), Ask::Hide), (key('X'), Ask::Unhide)],
        Hint::Here,
    ),
    looks(
        both("y"),
        "copy the id",
        &[Tab::Jobs, Tab::Job, Tab::Workers, Tab::Dead, Tab::Log],
        &[(key('y'), Ask::Copy)],
        Hint::Never,
    ),
    looks(
        both("e"),
        "export this table as CSV",
        ALL,
        &[(key('e'), Ask::Export)],
        Hint::Never,
    ),
    looks(
        both("Esc"),
        "no filter",
        &[Tab::Jobs],
        &[(KeyCode::Esc, Ask::Back)],
        Hint::Never,
    ),
    looks(
        both("Esc"),
        "no filter; back to Jobs",
        &[
            Tab::Job,
            Tab::Rows,
            Tab::Workers,
            Tab::Dead,
            Tab::Broker,
            Tab::Log,
        ],
        &[(KeyCode::Esc, Ask::Back)],
        Hint::Never,
    ),
    looks(
        ("Tab  1–7", "Tab  1-7"),
        "other tabs",
        ALL,
        &[
            (KeyCode::Tab, Ask::Turn(1)),
            (KeyCode::BackTab, Ask::Turn(-1)),
            (key('1'), Ask::Show(Tab::Jobs)),
            (key('2'), Ask::Show(Tab::Job)),
            (key('3'), Ask::Show(Tab::Rows)),
            (key('4'), Ask::Show(Tab::Workers)),
            (key('5'), Ask::Show(Tab::Dead)),
            (key('6'), Ask::Show(Tab::Broker)),
            (key('7'), Ask::Show(Tab::Log)),
        ],
        Hint::Never,
    ),
    looks(
        both("R"),
        "reconnect now",
        ALL,
        &[(key('R'), Ask::Reconnect)],
        Hint::Cut,
    ),
    looks(
        both("?"),
        "help",
        ALL,
        &[(key('?'), Ask::Help), (KeyCode::F(1), Ask::Help)],
        Hint::Always,
    ),
    looks(
        both("q  Ctrl-C"),
        "quit",
        ALL,
        &[(key('q'), Ask::Quit)],
        Hint::Always,
    ),
];

/// The bindings that apply on `tab`; without those that change anything, where it is `read_only`.
pub(crate) fn on(tab: Tab, read_only: bool) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.tabs.contains(&tab) && !(read_only && binding.changes))
}

/// What the keys are for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What the table says.
    Plain,
    /// The help is open.
    Help,
    /// A filter is typed.
    Typing,
    /// A question is to be answered.
    Asked,
}

/// On which keyboard a key was pressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyboard {
    pub(crate) tab: Tab,
    pub(crate) mode: Mode,
    pub(crate) read_only: bool,
}

/// What `event` asks for.
pub(crate) fn ask(event: KeyEvent, on_board: Keyboard) -> Option<Ask> {
    let Keyboard {
        tab,
        mode,
        read_only,
    } = on_board;
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == key('c')).then_some(Ask::Quit);
    }
    match mode {
        Mode::Typing => return typed(event.code),
        Mode::Asked => return Some(answered(event.code)),
        Mode::Plain | Mode::Help => {}
    }
    let bound = on(tab, read_only)
        .flat_map(|binding| binding.keys)
        .find(|(code, _)| *code == event.code)
        .map(|&(_, ask)| ask);
    // With the help open, any key closes it; q and Ctrl-C still quit.
    match bound {
        Some(Ask::Quit) => Some(Ask::Quit),
        _ if mode == Mode::Help => Some(Ask::Help),
        bound => bound,
    }
}

fn typed(code: KeyCode) -> Option<Ask> {
    match code {
        KeyCode::Char(letter) => Some(Ask::Type(letter)),
        KeyCode::Backspace => Some(Ask::Erase),
        KeyCode::Enter => Some(Ask::Keep),
        KeyCode::Esc => Some(Ask::Clear),
        KeyCode::Up => Some(Ask::Down(-1)),
        KeyCode::Down => Some(Ask::Down(1)),
        _ => None,
    }
}

/// Only a plain yes is one.
fn answered(code: KeyCode) -> Ask {
    match code {
        KeyCode::Char('y' | 'Y') => Ask::Yes,
        _ => Ask::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_board(tab: Tab, mode: Mode) -> Keyboard {
        Keyboard {
            tab,
            mode,
            read_only: false,
        }
    }

    fn press(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn no_key_means_two_things_on_a_tab() {
        for tab in Tab::ALL {
            let mut codes: Vec<KeyCode> = on(tab, false)
                .flat_map(|binding| binding.keys)
                .map(|(code, _)| *code)
                .collect();
            let all = codes.len();
            codes.sort_by_key(|code| format!("{code:?}"));
            codes.dedup();
            assert_eq!(codes.len(), all, "on {tab:?}");
        }
    }

    #[test]
    fn control_c_quits_and_other_controls_do_nothing() {
        let control = |c| KeyEvent::new(key(c), KeyModifiers::CONTROL);
        assert_eq!(
            ask(control('c'), on_board(Tab::Rows, Mode::Help)),
            Some(Ask::Quit)
        );
        assert_eq!(ask(control('q'), on_board(Tab::Rows, Mode::Plain)), None);
    }

    #[test]
    fn while_a_filter_is_typed_keys_are_letters() {
        let typing = |code| ask(press(code), on_board(Tab::Jobs, Mode::Typing));
        assert_eq!(typing(key('q')), Some(Ask::Type('q')));
        assert_eq!(typing(KeyCode::Esc), Some(Ask::Clear));
        assert_eq!(typing(KeyCode::Tab), None);
    }

    #[test]
    fn keys_mean_what_the_tab_says() {
        assert_eq!(
            ask(press(key(' ')), on_board(Tab::Rows, Mode::Plain)),
            Some(Ask::Hold)
        );
        assert_eq!(ask(press(key('f')), on_board(Tab::Jobs, Mode::Plain)), None);
        assert_eq!(
            ask(press(key(' ')), on_board(Tab::Jobs, Mode::Help)),
            Some(Ask::Help)
        );
        assert_eq!(
            ask(press(key('q')), on_board(Tab::Jobs, Mode::Help)),
            Some(Ask::Quit)
        );
    }

    #[test]
    fn a_question_takes_only_a_plain_yes() {
        let asked = |code| ask(press(code), on_board(Tab::Dead, Mode::Asked));
        assert_eq!(asked(key('y')), Some(Ask::Yes));
        for other in [key('q'), key('d'), KeyCode::Enter, KeyCode::Esc] {
            assert_eq!(asked(other), Some(Ask::No));
        }
    }

    #[test]
    fn read_only_offers_nothing_that_changes_anything() {
        let asks = |read_only| {
            let bindings = Tab::ALL.into_iter().flat_map(move |tab| on(tab, read_only));
            let keys = bindings.flat_map(|binding| binding.keys);
            keys.filter(|(_, ask)| {
                matches!(ask, Ask::Cancel | Ask::PauseJob | Ask::Replay | Ask::Drop)
            })
            .count()
        };
        assert_eq!((asks(true), asks(false)), (0, 8));
    }
}
