<?php

declare(strict_types=1);

namespace Malote;

/** What verification found. */
final class Verdict
{
    /**
     * @param string $proof verified, or authenticated: nothing is known of the body
     * @param string $cause no_secret, missing_header, malformed, clock, wrong_secret, body_changed or wrong_secret_or_body
     * @param string $detail the probable cause in words; for logs, not for the sender
     */
    public function __construct(
        public readonly bool $ok,
        public readonly string $proof = '',
        public readonly string $cause = '',
        public readonly string $detail = '',
    ) {
    }
}
