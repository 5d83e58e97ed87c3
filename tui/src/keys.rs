//! The key bindings, in one table from which the help is drawn as well, so that the help cannot list
//! a key that does not exist. `update` performs the actions.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::message::Action;
use crate::tab::Tab;

/// One line of the help: keys, and their actions on some tabs.
pub(crate) struct Binding {
    /// The names of the keys in the help, in Unicode and in ASCII.
    pub(crate) names: (&'static str, &'static str),
    pub(crate) description: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Action)],
    pub(crate) hint: Hint,
    /// Whether the action changes something on the master.
    changes: bool,
}

/// When the line of hints at the bottom of the screen shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Never,
    /// If there is data to show.
    WithData,
    /// While the dashboard is not connected to the master.
    Disconnected,
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

const UP_AND_DOWN: &[(KeyCode, Action)] = &[
    (KeyCode::Up, Action::MoveDown(-1)),
    (key('k'), Action::MoveDown(-1)),
    (KeyCode::Down, Action::MoveDown(1)),
    (key('j'), Action::MoveDown(1)),
];
const LEFT_AND_RIGHT: &[(KeyCode, Action)] = &[
    (KeyCode::Left, Action::MoveRight(-1)),
    (key('h'), Action::MoveRight(-1)),
    (KeyCode::Right, Action::MoveRight(1)),
    (key('l'), Action::MoveRight(1)),
];

/// A binding that changes only the view.
const fn view_binding(
    names: (&'static str, &'static str),
    description: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Action)],
    hint: Hint,
) -> Binding {
    Binding {
        names,
        description,
        tabs,
        keys,
        hint,
        changes: false,
    }
}

/// A binding that changes something on the master.
const fn command_binding(
    names: (&'static str, &'static str),
    description: &'static str,
    tabs: &'static [Tab],
    keys: &'static [(KeyCode, Action)],
) -> Binding {
    Binding {
        changes: true,
        ..view_binding(names, description, tabs, keys, Hint::WithData)
    }
}

/// The same name in Unicode and in ASCII.
const fn both(name: &'static str) -> (&'static str, &'static str) {
    (name, name)
}

/// Every key, in the order of the help.
pub(crate) const BINDINGS: &[Binding] = &[
    view_binding(
        ("↑ ↓  k j", "up down  k j"),
        "choose",
        LISTS,
        UP_AND_DOWN,
        Hint::WithData,
    ),
    view_binding(
        ("↑ ↓  k j", "up down  k j"),
        "scroll (and freeze)",
        &[Tab::Rows],
        UP_AND_DOWN,
        Hint::Never,
    ),
    view_binding(
        both("PgUp PgDn"),
        "a screen up, down",
        ALL,
        &[
            (KeyCode::PageUp, Action::Page(-1)),
            (KeyCode::PageDown, Action::Page(1)),
        ],
        Hint::Never,
    ),
    view_binding(
        both("Home End  g G"),
        "first, last",
        ALL,
        &[
            (KeyCode::Home, Action::First),
            (key('g'), Action::First),
            (KeyCode::End, Action::Last),
            (key('G'), Action::Last),
        ],
        Hint::Never,
    ),
    view_binding(
        ("← →  h l", "left right  h l"),
        "columns",
        &[Tab::Rows],
        LEFT_AND_RIGHT,
        Hint::WithData,
    ),
    view_binding(
        ("← →  h l", "left right  h l"),
        "job before, after",
        &[Tab::Job],
        LEFT_AND_RIGHT,
        Hint::WithData,
    ),
    view_binding(
        both("Enter"),
        "open the job",
        &[Tab::Jobs, Tab::Dead, Tab::Log],
        &[(KeyCode::Enter, Action::Open)],
        Hint::WithData,
    ),
    view_binding(
        both("s"),
        "sort",
        &[Tab::Jobs, Tab::Workers],
        &[(key('s'), Action::Sort)],
        Hint::WithData,
    ),
    view_binding(
        both("/"),
        "filter",
        FILTERED,
        &[(key('/'), Action::StartFilter)],
        Hint::WithData,
    ),
    view_binding(
        both("Space"),
        "freeze the view",
        ALL,
        &[(key(' '), Action::ToggleHold)],
        Hint::WithData,
    ),
    command_binding(
        both("p"),
        "pause the job, or resume it",
        &[Tab::Jobs, Tab::Job],
        &[(key('p'), Action::PauseJob)],
    ),
    command_binding(
        both("c"),
        "cancel the job",
        &[Tab::Jobs, Tab::Job],
        &[(key('c'), Action::CancelJob)],
    ),
    command_binding(
        both("r"),
        "replay dead chunks",
        &[Tab::Jobs, Tab::Job, Tab::Dead],
        &[(key('r'), Action::ReplayDead)],
    ),
    command_binding(
        both("d"),
        "drop the chunk",
        &[Tab::Dead],
        &[(key('d'), Action::DropChunk)],
    ),
    view_binding(
        both("b"),
        "bad records, or the result",
        &[Tab::Job],
        &[(key('b'), Action::ToggleRejects)],
        Hint::WithData,
    ),
    view_binding(
        both("f"),
        "all jobs, or the chosen one",
        &[Tab::Rows],
        &[(key('f'), Action::ToggleSelectedOnly)],
        Hint::WithData,
    ),
    view_binding(
        both("x  X"),
        "hide the first column, show all",
        &[Tab::Rows],
        &[
            (key('x'), Action::HideColumn),
            (key('X'), Action::ShowAllColumns),
        ],
        Hint::WithData,
    ),
    view_binding(
        both("y"),
        "copy the id",
        &[Tab::Jobs, Tab::Job, Tab::Workers, Tab::Dead, Tab::Log],
        &[(key('y'), Action::Copy)],
        Hint::Never,
    ),
    view_binding(
        both("e"),
        "export this table as CSV",
        ALL,
        &[(key('e'), Action::Export)],
        Hint::Never,
    ),
    view_binding(
        both("Esc"),
        "no filter",
        &[Tab::Jobs],
        &[(KeyCode::Esc, Action::Back)],
        Hint::Never,
    ),
    view_binding(
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
        &[(KeyCode::Esc, Action::Back)],
        Hint::Never,
    ),
    view_binding(
        ("Tab  1–7", "Tab  1-7"),
        "other tabs",
        ALL,
        &[
            (KeyCode::Tab, Action::StepTab(1)),
            (KeyCode::BackTab, Action::StepTab(-1)),
            (key('1'), Action::ShowTab(Tab::Jobs)),
            (key('2'), Action::ShowTab(Tab::Job)),
            (key('3'), Action::ShowTab(Tab::Rows)),
            (key('4'), Action::ShowTab(Tab::Workers)),
            (key('5'), Action::ShowTab(Tab::Dead)),
            (key('6'), Action::ShowTab(Tab::Broker)),
            (key('7'), Action::ShowTab(Tab::Log)),
        ],
        Hint::Never,
    ),
    view_binding(
        both("R"),
        "reconnect now",
        ALL,
        &[(key('R'), Action::Reconnect)],
        Hint::Disconnected,
    ),
    view_binding(
        both("?"),
        "help",
        ALL,
        &[
            (key('?'), Action::ToggleHelp),
            (KeyCode::F(1), Action::ToggleHelp),
        ],
        Hint::Always,
    ),
    view_binding(
        both("q  Ctrl-C"),
        "quit",
        ALL,
        &[(key('q'), Action::Quit)],
        Hint::Always,
    ),
];

/// The bindings on `tab`; if `read_only`, without those that change something on the master.
pub(crate) fn bindings_on(tab: Tab, read_only: bool) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.tabs.contains(&tab) && !(read_only && binding.changes))
}

/// How keys are interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By the table of bindings.
    Normal,
    /// The help is open.
    Help,
    /// A filter is being typed.
    Typing,
    /// A question waits for its answer.
    Confirm,
}

/// The state that decides what a key means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyboard {
    pub(crate) tab: Tab,
    pub(crate) mode: Mode,
    pub(crate) read_only: bool,
}

/// The action of the key `event`, if it has one.
pub(crate) fn action(event: KeyEvent, keyboard: Keyboard) -> Option<Action> {
    let Keyboard {
        tab,
        mode,
        read_only,
    } = keyboard;
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == key('c')).then_some(Action::Quit);
    }
    match mode {
        Mode::Typing => return filter_key(event.code),
        Mode::Confirm => return Some(confirm_key(event.code)),
        Mode::Normal | Mode::Help => {}
    }
    let bound = bindings_on(tab, read_only)
        .flat_map(|binding| binding.keys)
        .find(|(code, _)| *code == event.code)
        .map(|&(_, action)| action);
    // With the help open, any key closes it; q and Ctrl-C still quit.
    match bound {
        Some(Action::Quit) => Some(Action::Quit),
        _ if mode == Mode::Help => Some(Action::ToggleHelp),
        bound => bound,
    }
}

fn filter_key(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Char(letter) => Some(Action::TypeChar(letter)),
        KeyCode::Backspace => Some(Action::DeleteChar),
        KeyCode::Enter => Some(Action::ApplyFilter),
        KeyCode::Esc => Some(Action::ClearFilter),
        KeyCode::Up => Some(Action::MoveDown(-1)),
        KeyCode::Down => Some(Action::MoveDown(1)),
        _ => None,
    }
}

/// Only `y` and `Y` confirm.
fn confirm_key(code: KeyCode) -> Action {
    match code {
        KeyCode::Char('y' | 'Y') => Action::Yes,
        _ => Action::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyboard(tab: Tab, mode: Mode) -> Keyboard {
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
    fn each_key_has_one_action_per_tab() {
        for tab in Tab::ALL {
            let mut codes: Vec<KeyCode> = bindings_on(tab, false)
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
            action(control('c'), keyboard(Tab::Rows, Mode::Help)),
            Some(Action::Quit)
        );
        assert_eq!(
            action(control('q'), keyboard(Tab::Rows, Mode::Normal)),
            None
        );
    }

    #[test]
    fn keys_are_characters_while_a_filter_is_typed() {
        let typing = |code| action(press(code), keyboard(Tab::Jobs, Mode::Typing));
        assert_eq!(typing(key('q')), Some(Action::TypeChar('q')));
        assert_eq!(typing(KeyCode::Esc), Some(Action::ClearFilter));
        assert_eq!(typing(KeyCode::Tab), None);
    }

    #[test]
    fn bindings_depend_on_the_tab() {
        assert_eq!(
            action(press(key(' ')), keyboard(Tab::Rows, Mode::Normal)),
            Some(Action::ToggleHold)
        );
        assert_eq!(
            action(press(key('f')), keyboard(Tab::Jobs, Mode::Normal)),
            None
        );
        assert_eq!(
            action(press(key(' ')), keyboard(Tab::Jobs, Mode::Help)),
            Some(Action::ToggleHelp)
        );
        assert_eq!(
            action(press(key('q')), keyboard(Tab::Jobs, Mode::Help)),
            Some(Action::Quit)
        );
    }

    #[test]
    fn only_y_confirms_a_question() {
        let confirm = |code| action(press(code), keyboard(Tab::Dead, Mode::Confirm));
        assert_eq!(confirm(key('y')), Some(Action::Yes));
        for other in [key('q'), key('d'), KeyCode::Enter, KeyCode::Esc] {
            assert_eq!(confirm(other), Some(Action::No));
        }
    }

    #[test]
    fn read_only_has_no_binding_that_changes_something() {
        let actions = |read_only| {
            let bindings = Tab::ALL
                .into_iter()
                .flat_map(move |tab| bindings_on(tab, read_only));
            let keys = bindings.flat_map(|binding| binding.keys);
            keys.filter(|(_, action)| {
                matches!(
                    action,
                    Action::CancelJob | Action::PauseJob | Action::ReplayDead | Action::DropChunk
                )
            })
            .count()
        };
        assert_eq!((actions(true), actions(false)), (0, 8));
    }
}
