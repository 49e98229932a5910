//! What can be asked about refunds of single orders.

use clap::{Args, Subcommand};

use super::CallerArgs;

/// Refunds of single orders.
#[derive(Debug, Subcommand)]
pub enum RefundCommand {
    /// Price the withdrawal from an order, or from some of its lines.
    #[command(after_help = "Example: redress refund quote city-derby-ZQR3T --tenant arena")]
    Quote(QuoteArgs),
    /// Accept a quote, whose amount is honoured until it expires; or price and pay in one go.
    #[command(
        after_help = "Examples:\n  redress refund pay 0198c7 --entitlement-voided --tenant arena\n  \
                      redress refund pay --order ZQR3T --line p1 --entitlement-voided --tenant arena"
    )]
    Pay(PayArgs),
    /// Show a refund with its attempts, credit notes and what people decided about it.
    #[command(after_help = "Example: redress refund get 0198c7 --tenant arena")]
    Get(GetArgs),
    /// List refunds.
    #[command(after_help = "Example: redress refund list --state attention --tenant arena")]
    List(ListRefundsArgs),
    /// Follow a refund until it has come to rest.
    #[command(after_help = "Example: redress refund watch 0198c7 --tenant arena")]
    Watch(GetArgs),
    /// Approve a refund that waits for a second person; nobody approves their own.
    #[command(
        after_help = "Example: redress refund approve 0198c7 --as supervisor-2 --tenant arena"
    )]
    Approve(ActArgs),
    /// Reject a refund that waits for a second person.
    #[command(after_help = "Example: redress refund reject 0198c7 --reason 'ticket was used' \
                      --as supervisor-2 --tenant arena")]
    Reject(ActArgs),
    /// Take a refund back that was not sent, or give up what is left of one in ATTENTION.
    #[command(
        after_help = "Example: redress refund cancel 0198c7 --reason 'buyer keeps the ticket' \
                      --tenant arena"
    )]
    Cancel(ActArgs),
    /// Try failed tenders of a refund in ATTENTION again.
    #[command(after_help = "Example: redress refund retry 0198c7 --tenant arena")]
    Retry(ActArgs),
    /// Record what a person found out about an attempt in UNKNOWN, or did for one in MANUAL.
    #[command(
        after_help = "Example: redress refund resolve 0198c7 0198c8 --paid --reference TX-77 \
                      --reason 'bank transfer of 3 May' --tenant arena"
    )]
    Resolve(ResolveArgs),
}

/// Options of `redress refund quote`.
#[derive(Debug, Args)]
pub struct QuoteArgs {
    /// The order's id.
    pub order: String,
    /// Id of a line; repeat for several. Without it, every ticket.
    #[arg(long = "line")]
    pub lines: Vec<String>,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress refund pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The quote's id.
    #[arg(required_unless_present = "order", conflicts_with = "order")]
    pub quote: Option<String>,
    /// Price and pay in one go: the order's id.
    #[arg(long)]
    pub order: Option<String>,
    /// Id of a line, with --order; repeat for several. Without it, all but fees and taxes.
    #[arg(long = "line", requires = "order")]
    pub lines: Vec<String>,
    /// Confirms that the tickets no longer open the gate.
    #[arg(long)]
    pub entitlement_voided: bool,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of commands that decide about a refund.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// The refund's id.
    pub refund: String,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress refund resolve`.
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The refund's id.
    pub refund: String,
    /// The attempt's id.
    pub attempt: String,
    /// The buyer has been paid.
    #[arg(long, required_unless_present = "not_paid", conflicts_with = "not_paid")]
    pub paid: bool,
    /// The buyer has not been paid, and will not be by this attempt.
    #[arg(long)]
    pub not_paid: bool,
    /// The provider's id of the refund, or the reference of a transfer; with --paid.
    #[arg(long, requires = "paid")]
    pub reference: Option<String>,
    /// How you know, for the record.
    #[arg(long)]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress refund list`.
#[derive(Debug, Args)]
pub struct ListRefundsArgs {
    /// Only refunds of this order.
    #[arg(long)]
    pub order: Option<String>,
    /// Only refunds of this customer.
    #[arg(long)]
    pub customer: Option<String>,
    /// Only refunds of this disruption.
    #[arg(long)]
    pub disruption: Option<String>,
    /// Only refunds in this state, such as attention.
    #[arg(long)]
    pub state: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress refund get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The refund's id.
    pub refund: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}
