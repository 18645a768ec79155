//! What was decided about plugin versions, and what happened to them.

use model::Digest;
use model::failure::Failure;
use model::plugin::{Approval, PluginEvent};
use serde::Serialize;

use crate::commands::json;
use crate::writer::{Scribe, Statement};

#[derive(Serialize)]
struct HeldBack<'a> {
    name: &'a str,
    digest: Digest,
    held_back: i64,
}

/// A version that was never found has no row, and nothing that could be held back.
pub(super) fn hold_back(scribe: &mut Scribe<'_>, versions: &[(String, Digest, bool)]) -> Result<(), Failure> {
    if versions.is_empty() {
        return Ok(());
    }
    let rows: Vec<HeldBack<'_>> = versions
        .iter()
        .map(|(name, digest, held)| HeldBack { name, digest: *digest, held_back: i64::from(*held) })
        .collect();
    scribe.later(
        Statement::new(
            "hold a plugin version back",
            r#"
            UPDATE plugins
            SET held_back = CAST(new.value ->> 'held_back' AS INTEGER)
            FROM {rows $1} AS new
            WHERE plugins.name = new.value ->> 'name' AND plugins.digest = new.value ->> 'digest'
            "#,
        )
        .bind(scribe.json(&rows)?),
    );
    Ok(())
}

pub(super) fn approve(scribe: &mut Scribe<'_>, approved: &[Approval]) -> Result<(), Failure> {
    for Approval { name, place, asked, at } in approved {
        scribe.later(
            Statement::new(
                "record an approval",
                r#"
                INSERT INTO plugin_approvals (name, place, asked, at_us)
                VALUES ($1, $2, $3, $4)
                ON CONFLICT (name) DO UPDATE
                SET place = excluded.place, asked = excluded.asked, at_us = excluded.at_us
                "#,
            )
            .bind(name.clone())
            .bind(place.clone())
            .bind(json(asked)?)
            .bind(at.as_micros()),
        );
    }
    Ok(())
}

/// One after the other: each is numbered after the one before.
pub(super) fn tell(scribe: &mut Scribe<'_>, events: &[PluginEvent]) -> Result<(), Failure> {
    for PluginEvent { at, name, version, digest, kind, detail, .. } in events {
        scribe.later(
            Statement::new(
                "record what happened to a plugin",
                r#"
                INSERT INTO plugin_events (name, seq, at_us, digest, version, event, detail)
                SELECT
                    $1, COALESCE((SELECT MAX(seq) FROM plugin_events WHERE name = $1), 0) + 1, $2, $3, $4, $5, $6
                WHERE NOT EXISTS (
                    SELECT 1
                    FROM plugin_events AS last
                    WHERE last.name = $1
                        AND last.digest = $3
                        AND last.event = $5
                        AND last.detail = $6
                        AND last.seq = (
                            SELECT MAX(seq) FROM plugin_events WHERE name = $1 AND digest = $3
                        )
                )
                "#,
            )
            .bind(name.clone())
            .bind(at.as_micros())
            .bind(digest.to_string())
            .bind(version.clone())
            .bind(kind.name())
            .bind(detail.clone()),
        );
    }
    Ok(())
}
