//! The ratios the project aims at, from the figures of one run.

use crate::document::Size;
use crate::engine::EngineCell;
use crate::http::Cell;
use crate::postgres::Inserts;
use crate::table::Table;
use crate::workload::Workload;

/// Prints each ratio that the figures allow beside its aim.
pub fn print(cells: &[Cell], engine: &[EngineCell], inserts: &[Inserts]) {
    let mut table = Table::new(&[
        "ratio                                       ",
        "measured",
        "aim",
    ]);
    table.print_head();
    let mut line = |label: String, ratio: f64, aim: &str| {
        table.print_row(&[label, format!("{ratio:.2}"), aim.to_owned()]);
    };
    for cell in cells {
        let place = format!("{}, {} connections", cell.size.label(), cell.connections);
        if cell.workload == Workload::GetOne {
            if let Some(bare) = &cell.bare {
                let ratio = cell.ours.rate() / bare.rate();
                line(format!("GET one ÷ bare axum, {place}"), ratio, "≥ 0.75");
            }
            if let Some(peer) = &cell.peer {
                let ratio = cell.ours.rate() / peer.rate();
                line(format!("GET one ÷ peer, {place}"), ratio, "≥ 2");
            }
        }
        if cell.workload != Workload::PutOne {
            continue;
        }
        let same = |it: &&EngineCell| it.callers == cell.connections && it.size == cell.size;
        if let Some(alone) = engine.iter().find(same) {
            let ratio = cell.ours.rate() / alone.storage_rate_as_server;
            let aim = if cell.connections >= 16 {
                "≥ 0.5"
            } else {
                "–"
            };
            line(format!("PUT one ÷ storage alone, {place}"), ratio, aim);
            let ratio = alone.native.rate() / alone.storage_rate;
            line(format!("engine ÷ storage alone, {place}"), ratio, aim);
            let ratio = cell.ours.rate() / alone.native.rate();
            line(
                format!("PUT one ÷ engine without HTTP, {place}"),
                ratio,
                "–",
            );
        }
        if let Some(peer) = &cell.peer {
            let ratio = cell.ours.rate() / peer.rate();
            line(format!("PUT one ÷ peer, {place}"), ratio, "≥ 2");
        }
        let same = |it: &&Inserts| it.connections == cell.connections;
        if let (Some(inserts), Size::Small) = (inserts.iter().find(same), cell.size) {
            let ratio = cell.ours.rate() / inserts.rate;
            line(format!("PUT one ÷ PostgreSQL, {place}"), ratio, "≥ 3");
        }
    }
}
