<?php

declare(strict_types=1);

namespace Malote;

/** Thrown where a delivery does not verify or cannot be read. */
final class VerificationException extends \RuntimeException
{
    public readonly string $cause;

    public function __construct(public readonly Verdict $verdict)
    {
        parent::__construct("{$verdict->cause}: {$verdict->detail}");
        $this->cause = $verdict->cause;
    }
}
