<?php

declare(strict_types=1);

namespace Malote;

/** What a server answers when it refuses; status 0: there was no answer. */
final class MaloteException extends \RuntimeException
{
    /** As in conflict, invalid-value, not-found. */
    public readonly string $type;
    public readonly string $title;
    public readonly string $detail;
    /** @var list<array<string, string>> */
    public readonly array $errors;
    public readonly string $fix;
    public readonly string $requestId;

    /**
     * @param array<string, mixed> $problem
     * @param float|null $retryAfter seconds
     */
    public function __construct(string $message, public readonly int $status = 0, array $problem = [], public readonly ?float $retryAfter = null)
    {
        parent::__construct($message);
        $type = (string) ($problem['type'] ?? '');
        $this->type = substr($type, (int) strrpos(":$type", ':'));
        $this->title = (string) ($problem['title'] ?? '');
        $this->detail = (string) ($problem['detail'] ?? '');
        $this->errors = (array) ($problem['errors'] ?? []);
        $this->fix = (string) ($problem['fix'] ?? '');
        $this->requestId = (string) ($problem['request_id'] ?? '');
    }
}
