//! Columns of one name in an answer.
//!
//! SQL lets a SELECT name two columns alike, DuckDB too, but the engine refuses it unless they come from two tables. So a
//! statement that it refuses is planned once more, with the repeated columns of the outermost SELECT under names of our
//! own, and the answer gets the names that were asked for. Subqueries stay the engine's: there a name has to mean one
//! column.

use std::collections::{HashMap, HashSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, Query, Select, SelectItem, SetExpr, Statement as SqlStatement,
};

/// Our names of repeated columns, each with the name that the SQL gives it, where it gives one.
#[derive(Debug, Default)]
pub(super) struct Apart(HashMap<String, Option<String>>);

impl Apart {
    /// The same statement with its repeated columns under names of our own; none if no column can be a repeated one.
    pub(super) fn of(statement: &Statement) -> Option<(Statement, Self)> {
        let mut statement = statement.clone();
        let Statement::Statement(sql) = &mut statement else { return None };
        let SqlStatement::Query(query) = &mut **sql else { return None };
        let mut apart = Self::default();
        apart.query(query);
        (!apart.0.is_empty()).then_some((statement, apart))
    }

    /// The names of the plan's columns as the SQL means them; they may repeat.
    pub(super) fn names(&self, plan: &LogicalPlan) -> Vec<String> {
        let meant = |name: &String| match self.0.get(name) {
            Some(Some(given)) => given.clone(),
            Some(None) => unaliased(plan, name).unwrap_or_else(|| name.clone()),
            None => name.clone(),
        };
        plan.schema().fields().iter().map(|field| meant(field.name())).collect()
    }

    fn query(&mut self, query: &mut Query) {
        self.body(&mut query.body);
    }

    fn body(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select) {
        let is_wildcard =
            |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        // What a wildcard stands for is not known yet: it may repeat any column that has a name.
        let any = select.projection.iter().any(is_wildcard);
        let mut seen = HashSet::new();
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    let name = normal(alias);
                    if !seen.insert(name.clone()) || any {
                        *alias = self.own(Some(name));
                    }
                }
                SelectItem::UnnamedExpr(expr) => {
                    let column = column(expr);
                    let repeats = any && column.is_some();
                    if !seen.insert(column.unwrap_or_else(|| expr.to_string())) || repeats {
                        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: self.own(None) };
                    }
                }
                _ => {}
            }
        }
    }

    fn own(&mut self, given: Option<String>) -> Ident {
        let name = format!("__repeated_{}", self.0.len());
        self.0.insert(name.clone(), given);
        Ident::with_quote('"', name)
    }
}

/// The name that an expression has by being a column.
fn column(expr: &SqlExpr) -> Option<String> {
    match expr {
        SqlExpr::Identifier(name) => Some(normal(name)),
        SqlExpr::CompoundIdentifier(path) => path.last().map(normal),
        _ => None,
    }
}

/// A name as the engine reads it.
fn normal(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

/// What the engine would call the expression that has this alias.
fn unaliased(plan: &LogicalPlan, name: &str) -> Option<String> {
    let mut found = None;
    let walked = plan.apply(|node| {
        let LogicalPlan::Projection(projection) = node else { return Ok(TreeNodeRecursion::Continue) };
        let alias = projection.expr.iter().find_map(|expr| match expr {
            Expr::Alias(alias) if alias.name == name => Some(alias),
            _ => None,
        });
        found = alias.map(|alias| alias.expr.qualified_name().1);
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.ok().and(found)
}
