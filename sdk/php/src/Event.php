<?php

declare(strict_types=1);

namespace Malote;

/** A delivery as its receiver reads it; what the dialect does not send is null. */
final class Event
{
    /** Decoded JSON, its objects as arrays. */
    public mixed $data = null;

    /** The same for every delivery of the event: take each once. */
    public ?string $id = null;
    public ?string $type = null;
    public ?\DateTimeImmutable $time = null;
    public ?string $endpoint = null;
    public ?string $consumer = null;
    public ?int $attempt = null;
}
