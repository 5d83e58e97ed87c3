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
const LISTS: &[Tab] = &[Tab::Jobs, Tab::Job, Tab::Workers];

const fn key(c: char) -> KeyCode {
    KeyCode::Char(c)
}

/// Every key, in the order of the help.
pub(crate) const BINDINGS: &[Binding] = &[
    Binding {
        names: ("↑ ↓  k j", "up down  k j"),
        does: "choose",
        tabs: LISTS,
        keys: &[
            (KeyCode::Up, Ask::Down(-1)),
            (key('k'), Ask::Down(-1)),
            (KeyCode::Down, Ask::Down(1)),
            (key('j'), Ask::Down(1)),
        ],
        hint: Hint::Here,
    },
    Binding {
        names: ("↑ ↓  k j", "up down  k j"),
        does: "scroll (and pause)",
        tabs: &[Tab::Rows],
        keys: &[
            (KeyCode::Up, Ask::Down(-1)),
            (key('k'), Ask::Down(-1)),
            (KeyCode::Down, Ask::Down(1)),
            (key('j'), Ask::Down(1)),
        ],
        hint: Hint::Never,
    },
    Binding {
        names: ("PgUp PgDn", "PgUp PgDn"),
        does: "a screen up, down",
        tabs: ALL,
        keys: &[
            (KeyCode::PageUp, Ask::Page(-1)),
            (KeyCode::PageDown, Ask::Page(1)),
        ],
        hint: Hint::Never,
    },
    Binding {
        names: ("Home End  g G", "Home End  g G"),
        does: "first, last",
        tabs: ALL,
        keys: &[
            (KeyCode::Home, Ask::First),
            (key('g'), Ask::First),
            (KeyCode::End, Ask::Last),
            (key('G'), Ask::Last),
        ],
        hint: Hint::Never,
    },
    Binding {
        names: ("← →  h l", "left right  h l"),
        does: "columns",
        tabs: &[Tab::Rows],
        keys: &[
            (KeyCode::Left, Ask::Right(-1)),
            (key('h'), Ask::Right(-1)),
            (KeyCode::Right, Ask::Right(1)),
            (key('l'), Ask::Right(1)),
        ],
        hint: Hint::Here,
    },
    Binding {
        names: ("← →  h l", "left right  h l"),
        does: "job before, after",
        tabs: &[Tab::Job],
        keys: &[
            (KeyCode::Left, Ask::Right(-1)),
            (key('h'), Ask::Right(-1)),
            (KeyCode::Right, Ask::Right(1)),
            (key('l'), Ask::Right(1)),
        ],
        hint: Hint::Here,
    },
    Binding {
        names: ("Enter", "Enter"),
        does: "open the job",
        tabs: &[Tab::Jobs],
        keys: &[(KeyCode::Enter, Ask::Open)],
        hint: Hint::Here,
    },
    Binding {
        names: ("s", "s"),
        does: "sort",
        tabs: &[Tab::Jobs],
        keys: &[(key('s'), Ask::Sort)],
        hint: Hint::Here,
    },
    Binding {
        names: ("/", "/"),
        does: "filter",
        tabs: &[Tab::Jobs],
        keys: &[(key('/'), Ask::Filter)],
        hint: Hint::Here,
    },
    Binding {
        names: ("Esc", "Esc"),
        does: "no filter",
        tabs: &[Tab::Jobs],
        keys: &[(KeyCode::Esc, Ask::Clear)],
        hint: Hint::Never,
    },
    Binding {
        names: ("y", "y"),
        does: "copy the job's id",
        tabs: &[Tab::Jobs, Tab::Job],
        keys: &[(key('y'), Ask::Copy)],
        hint: Hint::Here,
    },
    Binding {
        names: ("Space", "Space"),
        does: "pause, go on",
        tabs: &[Tab::Rows],
        keys: &[(key(' '), Ask::Pause)],
        hint: Hint::Here,
    },
    Binding {
        names: ("f", "f"),
        does: "all jobs, or the chosen one",
        tabs: &[Tab::Rows],
        keys: &[(key('f'), Ask::Follow)],
        hint: Hint::Here,
    },
    Binding {
        names: ("Esc", "Esc"),
        does: "back to Jobs",
        tabs: &[Tab::Job, Tab::Rows, Tab::Workers],
        keys: &[(KeyCode::Esc, Ask::Back)],
        hint: Hint::Here,
    },
    Binding {
        names: ("Tab  1–4", "Tab  1-4"),
        does: "other tabs",
        tabs: ALL,
        keys: &[
            (KeyCode::Tab, Ask::Turn(1)),
            (KeyCode::BackTab, Ask::Turn(-1)),
            (key('1'), Ask::Show(Tab::Jobs)),
            (key('2'), Ask::Show(Tab::Job)),
            (key('3'), Ask::Show(Tab::Rows)),
            (key('4'), Ask::Show(Tab::Workers)),
        ],
        hint: Hint::Never,
    },
    Binding {
        names: ("R", "R"),
        does: "reconnect now",
        tabs: ALL,
        keys: &[(key('R'), Ask::Reconnect)],
        hint: Hint::Cut,
    },
    Binding {
        names: ("?", "?"),
        does: "help",
        tabs: ALL,
        keys: &[(key('?'), Ask::Help), (KeyCode::F(1), Ask::Help)],
        hint: Hint::Always,
    },
    Binding {
        names: ("q  Ctrl-C", "q  Ctrl-C"),
        does: "quit",
        tabs: ALL,
        keys: &[(key('q'), Ask::Quit)],
        hint: Hint::Always,
    },
];

/// The bindings that apply on `tab`.
pub(crate) fn on(tab: Tab) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.tabs.contains(&tab))
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
}

/// What `event` asks for on `tab`.
pub(crate) fn ask(event: KeyEvent, tab: Tab, mode: Mode) -> Option<Ask> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == key('c')).then_some(Ask::Quit);
    }
    if mode == Mode::Typing {
        return typed(event.code);
    }
    let bound = on(tab)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn no_key_means_two_things_on_a_tab() {
        for tab in Tab::ALL {
            let mut codes: Vec<KeyCode> = on(tab)
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
        assert_eq!(ask(control('c'), Tab::Rows, Mode::Help), Some(Ask::Quit));
        assert_eq!(ask(control('q'), Tab::Rows, Mode::Plain), None);
    }

    #[test]
    fn while_a_filter_is_typed_keys_are_letters() {
        let typing = |code| ask(press(code), Tab::Jobs, Mode::Typing);
        assert_eq!(typing(key('q')), Some(Ask::Type('q')));
        assert_eq!(typing(KeyCode::Esc), Some(Ask::Clear));
        assert_eq!(typing(KeyCode::Tab), None);
    }

    #[test]
    fn keys_mean_what_the_tab_says() {
        assert_eq!(
            ask(press(key(' ')), Tab::Rows, Mode::Plain),
            Some(Ask::Pause)
        );
        assert_eq!(ask(press(key(' ')), Tab::Jobs, Mode::Plain), None);
        assert_eq!(ask(press(key(' ')), Tab::Jobs, Mode::Help), Some(Ask::Help));
        assert_eq!(ask(press(key('q')), Tab::Jobs, Mode::Help), Some(Ask::Quit));
    }
}
