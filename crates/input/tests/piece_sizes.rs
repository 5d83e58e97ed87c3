//! Pieces whose size changes while they are read: the recorded changes cut the same input into the same pieces again,
//! from the start and from each position at which a publish may be resumed.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine::dialect::Ragged;
use engine::sniff::DialectOverrides;
use engine::split::Limits;
use input::{
    EndOfInput, InputEvent, InputPiece, InputSpec, PieceSizes, ReadTask, ResumePoint, SizeChange,
    Source, StopAt,
};
use tokio::sync::mpsc;

const SIZES: [usize; 7] = [900, 100, 3000, 200, 200, 5000, 50];

fn task(sources: &[Source], sizes: PieceSizes, resumed: Option<ResumePoint>) -> ReadTask {
    ReadTask {
        input_spec: InputSpec {
            sources: sources.to_vec(),
            given: DialectOverrides::default(),
            ragged: Ragged::Reject,
            skip_lines: 0,
            encoding: None,
            ignore_trailing: false,
            union: sources.len() > 1,
            stop_at: StopAt::Nothing,
        },
        limits: Limits {
            target_bytes: 300,
            cap_bytes: 5000,
        },
        sizes,
        spool: None,
        end_of_input: EndOfInput::Complete,
        resumed,
    }
}

/// The pieces, and the changes of their size. If the task has a size that may change, it changes after every third one.
fn read(task: ReadTask) -> (Vec<InputPiece>, Vec<SizeChange>) {
    let wanted = task.sizes.wanted.clone();
    let (sender, mut events) = mpsc::channel(1);
    let reading = std::thread::spawn(move || task.run(&sender).unwrap());
    let (mut pieces, mut changes) = (Vec::new(), Vec::new());
    while let Some(event) = events.blocking_recv() {
        match event {
            InputEvent::Piece(piece) => {
                pieces.push(piece);
                if let Some(wanted) = &wanted
                    && pieces.len() % 3 == 0
                {
                    wanted.store(SIZES[pieces.len() / 3 % SIZES.len()], Relaxed);
                }
            }
            InputEvent::Resized(change) => changes.push(change),
            _ => {}
        }
    }
    reading.join().unwrap();
    (pieces, changes)
}

fn bodies(pieces: &[InputPiece]) -> Vec<(u64, &[u8])> {
    let pieces = pieces.iter().map(|one| &one.piece);
    pieces
        .map(|one| (one.first_record, &one.body[..]))
        .collect()
}

fn check(sources: &[Source], columns: &[&str]) {
    let sizes = PieceSizes {
        recorded: Vec::new(),
        wanted: Some(Arc::new(AtomicUsize::new(300))),
    };
    let (pieces, changes) = read(task(sources, sizes, None));
    assert!(pieces.len() > 20 && changes.len() > 5);
    let recorded = PieceSizes {
        recorded: changes,
        wanted: None,
    };
    let (again, unrecorded) = read(task(sources, recorded.clone(), None));
    assert_eq!(bodies(&again), bodies(&pieces));
    assert_eq!(unrecorded, []);
    for (at, piece) in pieces.iter().enumerate() {
        let Some(position) = piece.end else { continue };
        let resumed = ResumePoint {
            position,
            columns: columns.iter().map(ToString::to_string).collect(),
        };
        let (rest, _) = read(task(sources, recorded.clone(), Some(resumed)));
        assert_eq!(
            bodies(&rest),
            bodies(&pieces[at + 1..]),
            "behind piece {at}"
        );
    }
}

#[test]
fn recorded_changes_cut_the_same_pieces_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, header: &str| {
        let long = "x".repeat(1700);
        let rows = (0..2500).map(|n| match n % 500 {
            77 => format!("{n},\"{long}\nb\"\n"),
            78 => format!("{n}\n"),
            _ => format!("{n},\"a\n{n}\"\n"),
        });
        let text: String = std::iter::once(header.to_owned()).chain(rows).collect();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Source::file(&path)
    };
    let one = file("1.csv", "n,text\n");
    check(std::slice::from_ref(&one), &["n", "text"]);
    // The columns of the second file are rearranged.
    check(&[one, file("2.csv", "text,n\n")], &["n", "text"]);
}
